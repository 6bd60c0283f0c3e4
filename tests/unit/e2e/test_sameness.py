"""The comparison of a lab's output with an article's, and the data that it reads."""

from __future__ import annotations

import pytest

from tests.e2e.outage import windows
from tests.e2e.walkthroughs.sameness import differences
from tests.e2e.walkthroughs.script import Line, filled_in, found, walkthroughs

SERVICE = "nginx   LoadBalancer   10.102.226.112   172.16.254.1   80:32730/TCP   4s"
PODS = "nginx-85dfb4bc54-9vjhn 1/1 Running 0 17h 172.17.0.3 k8s-worker1"
ALL_LINES = [
    pytest.param(line, id=f"{name}: {line.type[:50]}")
    for name, walkthrough in walkthroughs().items()
    for line in walkthrough.lines
]


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (SERVICE, "nginx LoadBalancer 10.96.0.17 172.16.254.1 80:30001/TCP 2m3s"),
        (PODS, "nginx-7d8c7dc949-abcde   1/1   Running   0   5s   10.244.1.2   k8s-worker2"),
        ("172.16.254.1/32 unicast [peer1 18:05:44] * (100)", "172.16.254.1/32 unicast [peer1 09:00:00.123] * (100)"),
        ("-j KUBE-SVC-4N57TFCL4MD7ZTDA", "-j KUBE-SVC-2CMXP7HKUVJN7L6M"),
        (PODS, PODS.replace("0 17h", "1 (79s ago)   83s")),
        ("a\n\nb\n", "a\nb"),
    ],
)  # fmt: skip
def test_what_a_cluster_chooses_does_not_count(printed, shown):
    assert differences(printed, shown) == []


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (SERVICE, SERVICE.replace("172.16.254.1", "172.16.254.2")),
        (SERVICE, SERVICE.replace("172.16.254.1", "<pending>")),
        (SERVICE, SERVICE.replace("80:32730/TCP", "80/TCP")),
        (SERVICE, SERVICE.replace("10.102.226.112", "10.96.0.1")),
        (PODS, PODS.replace("Running", "Pending")),
        (PODS, f"{PODS}\n{PODS}"),
        ("-j KUBE-SVC-4N57TFCL4MD7ZTDA", "-j KUBE-EXT-4N57TFCL4MD7ZTDA"),
        ("via 10.0.0.51 on enp0s8", "via 10.0.0.52 on enp0s8"),
        ("a\nb", "b\na"),
    ],
)
def test_everything_else_counts(printed, shown):
    assert differences(printed, shown) != []


def test_order_may_not_count():
    assert differences("a\nb", "b\na", ordered=False) == []
    assert differences("a\nb", "a\na", ordered=False) != []


def test_later_lines_use_what_earlier_ones_printed():
    kept = found({"address": r"NodePort\s+(\S+)"}, "nginx NodePort 10.99.1.2 <none>")
    assert filled_in("curl http://{address} '{\"a\": {}}'", kept) == "curl http://10.99.1.2 '{\"a\": {}}'"
    with pytest.raises(ValueError, match="port not found"):
        found({"port": r"80:(\d+)"}, "nothing")


@pytest.mark.parametrize("line", ALL_LINES)
def test_a_line_that_is_not_the_articles_says_why(line: Line):
    assert bool(line.article) == bool(line.because)


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        ([], []),
        ([1.0], [(1.0, 1.05)]),
        ([3.1, 3.0, 3.05], [(3.0, 3.15)]),
        ([1.0, 5.0], [(1.0, 1.05), (5.0, 5.05)]),
    ],
)
def test_outages_are_runs_of_failures(failed, expected):
    assert [(round(a, 2), round(b, 2)) for a, b in windows(failed)] == expected
