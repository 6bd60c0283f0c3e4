"""Variables overridden by hand are refused before a machine is touched: one play a mistake, all in one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.provision.events import Event, Outcome, Result
from lab.provision.playbook import run
from lab.render.inventory import inventory
from lab.topology.loader import load

ROOT = Path(__file__).resolve().parents[3]
BGP = {
    "router_asn": 11000,
    "cluster_asn": 22000,
    "session": "external",
    "hold_time": 3,
    "bfd": False,
    "password": None,
}
BUNDLE = {"lab_artefacts_directory": "/none", "lab_lock": "lab.lock", "lab_artefacts": []}
KUBEADM = {"lab_kubernetes": "kubeadm"}
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "asn-zero": ({"lab_bgp": BGP | {"router_asn": 0}}, "an AS number is 1 to"),
    "asn-trans": ({"lab_bgp": BGP | {"cluster_asn": 23456}}, "an AS number is 1 to"),
    "asn-last": ({"lab_bgp": BGP | {"cluster_asn": 4294967295}}, "an AS number is 1 to"),
    "asn-same": ({"lab_bgp": BGP | {"router_asn": 22000}}, "internal when both AS numbers are the same"),
    "session": ({"lab_bgp": BGP | {"session": "confederation"}}, "must be one of: external, internal"),
    "hold-time": ({"lab_bgp": BGP | {"hold_time": 2}}, "a hold time is 0 or 3 to 65535"),
    "password": ({"lab_bgp": BGP | {"password": 'a"; export all; "'}}, "without quotation marks"),
    "pools": ({"lab_pools": [{"name": "empty", "addresses": []}]}, "no external address"),
    "pod-network": (
        KUBEADM | {"lab_pod_network": "calico", "lab_pod_subnets": ["10.244.0.0/16", "fd00:244::/56"]},
        "calico is set up for IPv4 only",
    ),
    "lock": (KUBEADM, "lab.lock lacks manifests/flannel.yaml; "),
    "lock-in-part": (
        KUBEADM | {"lab_pod_network": "none", "lab_artefacts": [{"path": "bin/kubeadm", "sha256": ""}]},
        "lab.lock lacks bin/containerd, bin/containerd-shim-runc-v2, bin/crictl,",
    ),
    "type": ({"lab_networks": "10.0.0.0/24"}, "lab_networks"),
}


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run the role once for each mistake, on a host that is named after it; return what each host was told."""
    directory = tmp_path_factory.mktemp("validate")
    listing = inventory(load(ROOT / "lab.yml"))
    variables = listing["all"]["vars"] | listing["_meta"]["hostvars"]["client"] | BUNDLE | {"lab_bgp": BGP}
    hosts = {"right": variables} | {name: variables | mistake for name, (mistake, _) in MISTAKES.items()}
    (directory / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    role = str(ROOT / "roles/validate")
    plays = [
        {"name": name, "hosts": name, "gather_facts": False, "ignore_errors": True, "roles": [role]}
        for name in hosts
    ]
    (directory / "validate.yml").write_text(yaml.safe_dump(plays, sort_keys=False))
    events: list[Event] = []
    run(
        directory / "validate.yml",
        inventory=directory / "hosts.yml",
        log=directory / "log",
        on_event=events.append,
    )
    told: dict[str, str] = {}
    for event in events:
        if isinstance(event, Result) and event.outcome is Outcome.IGNORED:
            told[event.host] = f"{told.get(event.host, '')}{event.message}\n"
    return told


def test_the_default_lab_is_right(refused):
    assert "right" not in refused


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_refused_with_its_reason(refused, name):
    assert MISTAKES[name][1] in refused[name]
