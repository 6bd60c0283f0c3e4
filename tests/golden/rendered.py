"""What the roles write on a lab's machines: their templates, rendered by Ansible's own engine with the inventory's variables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from lab.render.inventory import inventory
from lab.topology.loader import load
from lab.topology.model import Role

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


def routes(lab: Path, *, machine: str, role: str, link: str = "eth1") -> str:
    """Return the netplan file with the routes that `role` gives to `machine`, whose interface is called `link`."""
    variables = _variables(lab, machine, role)
    (interface,) = variables["lab_interfaces"]
    links = [{"ifname": "lo"}, {"ifname": link, "address": interface["mac"], "addr_info": []}]
    answer = {"__static_routes_answer": {"stdout": json.dumps(links)}}
    variables |= _handed_over(role, "static_routes") | _of_role("static_routes", "vars") | answer
    return _rendered("static_routes/templates/etc/netplan/60-lab-routes.yaml.j2", variables)


def unit(lab: Path, *, machine: str, template: Path) -> str:
    """Return the systemd unit that a role writes on `machine` from `template`."""
    name = template.relative_to(ROLES)
    return _rendered(str(name), _variables(lab, machine, name.parts[0]))


def units() -> list[Path]:
    """Return the templates of the units of pocket."""
    return sorted(ROLES.glob("pocket_*/templates/etc/systemd/system/*.j2"))


def kubeadm(lab: Path) -> str:
    """Return the control plane's /etc/kubernetes/kubeadm.yml."""
    variables = _variables(lab, "k8s-master", "kube_control_plane")
    return _rendered("kube_control_plane/templates/etc/kubernetes/kubeadm.yml.j2", variables)


def join(lab: Path) -> str:
    """Return the first worker's /etc/kubernetes/join.yml, while it has one."""
    said = f"kubeadm join … --token 000000.0000000000000000 --discovery-token-ca-cert-hash sha256:{64 * '0'}"
    variables = _variables(lab, "k8s-worker1", "kube_worker") | {"__kube_worker_invitation": {"stdout": said}}
    return _rendered("kube_worker/templates/etc/kubernetes/join.yml.j2", variables)


def containerd(lab: Path) -> str:
    """Return a node's /etc/containerd/config.toml."""
    listed = {"kubernetes_packages_images": {"stdout_lines": ["registry.k8s.io/pause:3.10.1"]}}
    variables = _variables(lab, "k8s-worker1", "container_runtime") | listed
    return _rendered("container_runtime/templates/etc/containerd/config.toml.j2", variables)


def pod_network(lab: Path, *, file: str) -> str:
    """Return what a pod network gets beside its own manifest or chart."""
    variables = _variables(lab, "k8s-master", "pod_network")
    return _rendered(f"pod_network/templates/etc/kubernetes/pod-network/{file}.j2", variables)


def _variables(lab: Path, machine: str, role: str) -> Variables:
    """Return what `role` sees on `machine`: its defaults, lab.yml, inventory/group_vars, its own constants."""
    listing = inventory(load(lab))
    variables = _of_role(role, "defaults") | {
        "ansible_managed": "Ansible managed",
        "inventory_hostname": machine,
        "groups": {role.value: listing[role.value]["hosts"] for role in Role},
    }
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
