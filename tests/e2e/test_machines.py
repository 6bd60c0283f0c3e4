"""Each machine is what lab.yml says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lab.topology.model import Machine


def test_name(on: Callable[[str], Any], machine: Machine) -> None:
    assert on(machine.name).check_output("hostname") == machine.name


def test_addresses(on: Callable[[str], Any], machine: Machine) -> None:
    links = json.loads(on(machine.name).check_output("ip -json address"))
    found = {
        (link.get("address"), f"{a['local']}/{a['prefixlen']}") for link in links for a in link["addr_info"]
    }
    wanted = {(nic.mac, str(address)) for nic in machine.interfaces for address in nic.addresses}
    assert wanted <= found


def test_boot_is_complete_and_clean(on: Callable[[str], Any], machine: Machine) -> None:
    host = on(machine.name)
    assert host.check_output("systemctl is-system-running --wait || true") == "running", host.check_output(
        "systemctl --failed --no-legend"
    )


def test_user_of_the_tutorials(on: Callable[[str], Any], machine: Machine) -> None:
    host = on(machine.name)
    assert host.check_output("runuser -u vagrant -- sudo -n id -u") == "0"


def test_names_of_the_other_machines_resolve(on: Callable[[str], Any], machine: Machine) -> None:
    assert on(machine.name).run("getent hosts client").rc == 0
