"""VirtualBox through VBoxManage: one call a machine, all at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from lab.kits.shell import CommandError, run
from lab.machines.port import State
from lab.machines.vagrant.hypervisor import Domain, Seen
from lab.topology.model import Hypervisor, MachineName

FIRST_ADAPTER: Final = 2
"""Adapter 1 is Vagrant's, behind VirtualBox's NAT."""
STATES: Final = {
    "running": State.RUNNING,
    "starting": State.STARTING,
    "paused": State.FROZEN,
    "poweroff": State.OFF,
    "saved": State.OFF,
    "aborted": State.FAILED,
    "gurumeditation": State.FAILED,
}


class VirtualBox:
    """Implements `Hypervisor`."""

    name = Hypervisor.VIRTUALBOX

    def observe(self, domains: Mapping[MachineName, Domain]) -> Mapping[MachineName, Seen]:
        with ThreadPoolExecutor(max_workers=8) as pool:
            answers = pool.map(_seen, domains.values())
            return {name: seen for name, seen in zip(domains, answers, strict=True) if seen}

    def kill(self, domain: Domain) -> None:
        _control(domain, "poweroff")

    def freeze(self, domain: Domain) -> None:
        _control(domain, "pause")

    def thaw(self, domain: Domain) -> None:
        _control(domain, "resume")

    def plug(self, domain: Domain, mac: str, *, up: bool) -> None:
        adapter = FIRST_ADAPTER + list(domain.macs).index(mac)
        _control(domain, f"setlinkstate{adapter}", "on" if up else "off")

    def sweep(self, names: Collection[str], networks: Collection[str] = ()) -> None:
        del networks  # internal ones are there as long as somebody is plugged in
        for line in run(["VBoxManage", "list", "vms"]).splitlines():
            name = line.rpartition(" ")[0].strip('"')
            if name in names:
                run(["VBoxManage", "unregistervm", name, "--delete"])


def _control(domain: Domain, *words: str) -> None:
    run(["VBoxManage", "controlvm", domain.identity, *words])


def _seen(domain: Domain) -> Seen | None:
    try:
        return read(run(["VBoxManage", "showvminfo", domain.identity, "--machinereadable"]))
    except CommandError as error:
        if "VBOX_E_OBJECT_NOT_FOUND" in error.message:
            return None
        raise


def read(answer: str) -> Seen:
    """Return what `VBoxManage showvminfo --machinereadable` says of a machine."""
    values = {
        key.lower(): value.strip('"')
        for key, separator, value in (line.partition("=") for line in answer.splitlines())
        if separator
    }
    links = {}
    for key, value in values.items():
        number = key.removeprefix("macaddress")
        if number.isdigit() and int(number) >= FIRST_ADAPTER:
            mac = ":".join(value[i : i + 2] for i in range(0, len(value), 2)).lower()
            links[mac] = values.get(f"cableconnected{number}") == "on"
    return Seen(state=STATES.get(values.get("vmstate", ""), State.FAILED), links=links)
