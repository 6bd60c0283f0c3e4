"""What a machine's configuration depends on, as one hash for each machine.

Two machines with the same fingerprint would be configured alike to the last byte: roles, plays, programs,
variables and the version of Ansible all count. That is what lets a captured configuration stand for a run of the playbook.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from lab.kits.files import content_digest
from lab.provision.artefacts import directory, lock_file
from lab.provision.code import pack
from lab.render.inventory import inventory
from lab.topology.model import MachineName, Topology

INGREDIENTS = (
    "site.yml",
    "install_lb.yml",
    "kubernetes.yml",
    "roles",
    "inventory",
    "ansible.cfg",
)


def fingerprints(topology: Topology, *, playbooks: Path) -> dict[MachineName, str]:
    """Return each machine's fingerprint; `playbooks` is the directory with site.yml and the roles."""
    data = inventory(topology)
    sources = [playbooks / name for name in INGREDIENTS] + [lock_file(playbooks)]
    programs = hashlib.sha256(pack()).hexdigest()
    shared = [
        version("ansible-core"),
        content_digest(*(source for source in sources if source.exists())),
        programs,
        (directory(playbooks) / "bin/helm").exists(),  # the client gets it where it is at hand
        data["all"]["vars"],
    ]
    return {
        machine.name: _hash([*shared, data["_meta"]["hostvars"][machine.name], data[machine.role]])
        for machine in topology.machines
    }


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
