from __future__ import annotations

from pathlib import Path

from lab.actions.checks import Check, Verdict, read_report

REPORT = """<testsuites><testsuite>
<testcase classname="tests.e2e.test_router" name="test_a" time="0.5"/>
<testcase classname="tests.e2e.test_router" name="test_b" time="0"><failure message="assert 1 == 2"/></testcase>
<testcase classname="tests.e2e.test_router" name="test_c" time="0"><error message="broken fixture"/></testcase>
<testcase classname="tests.e2e.test_router" name="test_d" time="0"><skipped message="no BFD"/></testcase>
</testsuite></testsuites>"""


def test_what_was_skipped_did_not_pass(tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(REPORT)
    assert read_report(report) == [
        Check(name="test_router::test_a", verdict=Verdict.PASSED, seconds=0.5),
        Check(name="test_router::test_b", verdict=Verdict.FAILED, detail="assert 1 == 2"),
        Check(name="test_router::test_c", verdict=Verdict.FAILED, detail="broken fixture"),
        Check(name="test_router::test_d", verdict=Verdict.NOT_RUN, detail="no BFD"),
    ]
