"""The router is configured to spread over equal paths, and to believe the cluster only what it should announce."""

from __future__ import annotations

from typing import Any

from lab.topology.model import Topology
from lab.topology.naming import peer_name


def test_bird_configuration_is_valid(router: Any) -> None:
    said = router.run("bird -p -c /etc/bird/bird.conf")
    assert said.rc == 0, said.stderr


def test_bird_runs_and_starts_at_boot(router: Any) -> None:
    assert router.service("bird").is_running
    assert router.service("bird").is_enabled


def test_forwards(router: Any) -> None:
    assert router.sysctl("net.ipv4.ip_forward") == 1


def test_spreads_by_addresses_and_ports(router: Any) -> None:
    """Policy 1 hashes ports too, so that one client reaches every next hop (kernel: ip-sysctl)."""
    assert router.sysctl("net.ipv4.fib_multipath_hash_policy") == 1


def test_one_protocol_a_worker(router: Any, topology: Topology) -> None:
    protocols = router.check_output("birdc show protocols")
    for number, _ in enumerate(topology.workers, 1):
        assert peer_name(number) in protocols
