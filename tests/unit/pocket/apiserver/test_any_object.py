"""A short run of the objects made of schemas; the long one is `python -m tests.fuzz.pocket_schema`."""

from __future__ import annotations

from contextlib import closing

from tests.fuzz import pocket_schema
from tests.fuzz.pocket_process import PocketProcess


def test_no_object_breaks_the_server(tmp_path):
    counted = pocket_schema.run(tmp_path, requests=1500, seed=7)
    assert counted["answers"]["201"] > 50
    assert counted["answers"]["422"] > 50


def test_a_scale_is_shown_as_a_table_and_a_review_is_not(tmp_path):
    """What the long run found."""
    server = PocketProcess(tmp_path)
    server.start()
    headers = {"Content-Type": "application/json", "Accept": pocket_schema.TABLE}
    labels = b'{"app":"x"}'
    template = b'{"metadata":{"labels":%b},"spec":{"containers":[{"name":"c","image":"i"}]}}' % labels
    spec = b'{"selector":{"matchLabels":%b},"template":%b}' % (labels, template)
    path = "/apis/apps/v1/namespaces/default/deployments"
    with pocket_schema.stopping(server), closing(pocket_schema.Fuzzer(server, 1)) as fuzzer:
        fuzzer.send("POST", path, b'{"metadata":{"name":"a"},"spec":%b}' % spec, headers)
        fuzzer.send("GET", f"{path}/a/scale", None, headers)
        fuzzer.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", b"{}", headers)
        assert fuzzer.answers == {201: 1, 200: 1, 406: 1}
