"""What the roles write on a lab's machines: their templates, rendered by Ansible's own engine with the inventory's variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from lab.render.inventory import inventory
from lab.topology.loader import load

ROOT: Final = Path(__file__).resolve().parents[2]
ROLES: Final = ROOT / "roles"
LOADER: Final = DataLoader()
Variables = dict[str, Any]


def bird_conf(lab: Path) -> str:
    """Return the router's /etc/bird/bird.conf."""
    return _rendered("router/templates/etc/bird/bird.conf.j2", _variables(lab, "router", "router"))


def hosts(lab: Path) -> str:
    """Return every machine's /etc/hosts."""
    return _rendered("common/templates/etc/hosts.j2", _variables(lab, "client", "common"))


def routes(lab: Path, *, machine: str, role: str) -> str:
    """Return the netplan file with the routes that `role` gives to `machine`, whose interface the hypervisor named eth1."""
    variables = _variables(lab, machine, role)
    (interface,) = variables["lab_interfaces"]
    facts = {"ansible_facts": {"eth1": {"device": "eth1", "macaddress": interface["mac"]}}}
    variables |= _handed_over(role, "static_routes") | _of_role("static_routes", "vars") | facts
    return _rendered("static_routes/templates/etc/netplan/60-lab-routes.yaml.j2", variables)


def agent_unit(lab: Path, *, machine: str) -> str:
    """Return the systemd unit of the node agent on `machine`."""
    variables = _variables(lab, machine, "pocket_node") | {"inventory_hostname": machine}
    return _rendered("pocket_node/templates/etc/systemd/system/pocket-agent.service.j2", variables)


def _variables(lab: Path, machine: str, role: str) -> Variables:
    """Return what `role` sees on `machine`: its defaults, lab.yml, inventory/group_vars, its own constants."""
    listing = inventory(load(lab))
    variables = _of_role(role, "defaults") | {"ansible_managed": "Ansible managed"}
    for group in ("all", "router", "k8s", "control_plane", "worker", "client"):
        if _belongs(machine, listing, group):
            variables |= listing[group].get("vars", {})
            for path in sorted((ROOT / "inventory/group_vars" / group).glob("*.yml")):
                variables |= _yaml(path)
    variables |= listing["_meta"]["hostvars"][machine]
    return variables | _of_role(role, "vars")


def _belongs(machine: str, listing: Variables, group: str) -> bool:
    members = listing[group].get("hosts", [])
    return machine in members or any(
        _belongs(machine, listing, c) for c in listing[group].get("children", [])
    )


def _of_role(role: str, kind: str) -> Variables:
    path = ROLES / role / kind / "main.yml"
    return dict(_yaml(path)) if path.exists() else {}


def _handed_over(role: str, other: str) -> Variables:
    """Return the variables with which `role` imports the role `other`."""
    for task in _yaml(ROLES / role / "tasks/main.yml"):
        if task.get("ansible.builtin.import_role") == {"name": other}:
            variables: Variables = task["vars"]
            return variables
    raise KeyError(other)


def _yaml(path: Path) -> Any:
    return LOADER.load_from_file(str(path), trusted_as_template=True)


def _rendered(template: str, variables: Variables) -> str:
    text = trust_as_template((ROLES / template).read_text())
    return str(Templar(LOADER, variables).template(text, overrides={"trim_blocks": True}))
