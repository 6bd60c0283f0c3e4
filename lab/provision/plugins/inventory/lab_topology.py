"""The inventory of a lab: machines, groups and variables out of lab.yml, and the way to each machine while it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

try:
    from lab.errors import TopologyError
    from lab.render import inventory as rendered
    from lab.topology.loader import load
except ModuleNotFoundError as error:
    raise AnsibleError(
        "this Ansible is not the lab's own: use those of .venv/bin, after `make setup`"
    ) from error

DOCUMENTATION = """
    name: lab_topology
    short_description: the machines of lab.yml
    description:
      - Reads a lab's file and yields its machines in the groups router, control_plane, worker, client and k8s.
      - Adds to each machine the connection variables of a file that C(lab up) writes, when there is one.
    options:
      plugin:
        description: Always C(lab_topology).
        required: true
        choices: [lab_topology]
      topology:
        description: The lab's file, relative to the directory above the inventory.
        type: str
        default: lab.yml
        env:
          - name: LAB_TOPOLOGY
      connections:
        description: "The connection variables, relative to the same directory: C({machine: {variable: value}})."
        type: str
        default: .lab/connections.json
        env:
          - name: LAB_CONNECTIONS
"""


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]  # Ansible has no types
    NAME = "lab_topology"

    def verify_file(self, path: str) -> bool:
        """Tell whether `path` is the file that asks for this plugin."""
        return Path(path).name == "topology.yml" and bool(super().verify_file(path))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:  # noqa: FBT001, FBT002  # Ansible's
        """Fill Ansible's `inventory`. Raises AnsibleParserError with every mistake of the lab's file."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        project = Path(path).resolve().parent.parent
        fill(inventory, listing(project / self.get_option("topology")))
        connect(inventory, project / self.get_option("connections"))


def listing(topology: Path) -> dict[str, Any]:
    """Return what `ansible-inventory --list` would print of a lab's file."""
    try:
        return rendered.inventory(load(topology))
    except TopologyError as error:
        raise AnsibleParserError(error.message) from error


def fill(inventory: Any, listing: dict[str, Any]) -> None:
    """Add the groups, hosts and variables of `listing`."""
    groups = {name: group for name, group in listing.items() if name != "_meta"}
    for name in groups:
        inventory.add_group(name)
    for name, group in groups.items():
        for host in group.get("hosts", []):
            inventory.add_host(host, group=name)
        for child in group.get("children", []):
            inventory.add_child(name, child)
        _set(inventory, name, group.get("vars", {}))
    for host, variables in listing["_meta"]["hostvars"].items():
        _set(inventory, host, variables)


def connect(inventory: Any, connections: Path) -> None:
    """Add the connection variables of `connections`, if that file exists, to the machines of the inventory."""
    if not connections.exists():
        return
    for machine, variables in json.loads(connections.read_text()).items():
        if machine in inventory.hosts:
            _set(inventory, machine, variables)


def _set(inventory: Any, name: str, variables: dict[str, Any]) -> None:
    for key, value in variables.items():
        inventory.set_variable(name, key, value)
