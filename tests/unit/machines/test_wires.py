from __future__ import annotations

import pytest

from lab.machines.containers.spec import NicSpec
from lab.machines.containers.supervisor.nspawn import Report, parse_notification
from lab.machines.containers.supervisor.wires import bridges_batch, loss_batch, plug_batch

NIC = NicSpec(network="k8s-network", bridge="br0", port="m0p0", name="enp0s8", mac="02:00:00:00:00:01")


def test_bridges_forward_from_the_first_packet() -> None:
    assert bridges_batch([("br0", "k8s-network")]).splitlines() == [
        "link set lo up",
        "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
        "link set br0 alias k8s-network",
        "link set br0 up",
    ]


def test_a_cable_has_its_machine_end_before_the_machine_boots() -> None:
    assert plug_batch("router", [NIC]).splitlines() == [
        "netns add router",
        "link add m0p0 type veth peer name enp0s8 netns router address 02:00:00:00:00:01",
        "link set m0p0 alias router:enp0s8",
        "link set m0p0 master br0 up",
    ]


@pytest.mark.parametrize(
    ("percent", "rules"), [(0, []), (30, ["numgen random mod 100 < 30 drop"] * 2), (100, ["drop"] * 2)]
)
def test_loss_is_each_way_and_replaces_what_was(percent: int, rules: list[str]) -> None:
    text = loss_batch("m0p0", percent)
    assert text.startswith("table netdev loss_m0p0\ndelete table netdev loss_m0p0\n")
    found = [
        line.split("priority 0; ")[1].removesuffix("; }") for line in text.splitlines() if "chain" in line
    ]
    assert found == rules


@pytest.mark.parametrize(
    ("message", "report"),
    [
        (b"X_NSPAWN_LEADER_PID=42", Report(leader=42, ready=False)),
        (b"READY=1\nSTATUS=Container running.", Report(leader=None, ready=True)),
        (b"READY=0", Report(leader=None, ready=False)),
        (b"\xff garbage", Report(leader=None, ready=False)),
    ],
)
def test_notifications(message: bytes, report: Report) -> None:
    assert parse_notification(message) == report
