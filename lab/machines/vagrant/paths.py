"""Where a lab of virtual machines keeps what: all of it beside lab.yml, so it belongs to the user and survives a reboot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.topology.model import Hypervisor, MachineName


@dataclass(frozen=True, slots=True, kw_only=True)
class VagrantPaths:
    """The files of one lab. `checkout` is the directory with the Vagrantfile, `file` the topology file."""

    lab: str
    file: Path
    checkout: Path

    @property
    def dotfile(self) -> Path:
        """Vagrant's own state.

        The lab.yml beside the Vagrantfile has Vagrant's usual place, so that `vagrant ssh client` works as it stands;
        any other lab has a place of its own.
        """
        if self.file == self.checkout / "lab.yml":
            return self.checkout / ".vagrant"
        return self.generated / "vagrant"

    @property
    def generated(self) -> Path:
        return self.file.parent / ".lab" / self.lab

    @property
    def reach(self) -> Path:
        return self.generated / "reach"

    @property
    def consoles(self) -> Path:
        return self.generated / "consoles"

    @property
    def records(self) -> Path:
        return self.generated / "vagrant.json"

    @property
    def log(self) -> Path:
        return self.generated / "vagrant.log"

    @property
    def lock(self) -> Path:
        return self.generated / "lock"

    def made(self, hypervisor: Hypervisor) -> float:
        """Return when the first of the machines that exist was made, in seconds since the epoch; 0 without any."""
        files = self.dotfile.glob(f"machines/*/{hypervisor}/id")
        return min((path.stat().st_mtime for path in files), default=0.0)

    def identities(self, hypervisor: Hypervisor) -> dict[MachineName, str]:
        """Return the machines that exist and the hypervisor's identifier of each, as Vagrant noted them."""
        found = sorted(self.dotfile.glob(f"machines/*/{hypervisor}/id"))
        return {MachineName(path.parents[1].name): path.read_text().strip() for path in found}
