"""What each golden file holds: text produced from the topology files. `python -m tests.golden` writes them anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from lab.render.diagram import svg
from lab.render.inventory import inventory
from lab.render.mermaid import mermaid
from lab.render.reference import reference
from lab.render.schema import schema
from lab.render.vagrant import Setting, vagrant
from lab.topology.loader import load
from lab.topology.mistakes import InvalidTopologyError
from lab.topology.model import Topology
from tests.golden import rendered

ROOT: Final = Path(__file__).resolve().parents[2]
HERE: Final = ROOT / "tests/golden"
LABS: Final = (ROOT / "lab.yml", *sorted((ROOT / "labs").glob("*.yml")))
ROUTED: Final = (*LABS, HERE / "roles/every-option.yml")
POD_NETWORKS: Final = ("flannel.kustomization.yaml", "cilium.values.yaml", "calico.kustomization.yaml")
"""Calico last: it is set up for IPv4 alone, so one lab will do."""
WRONG: Final = tuple(sorted((HERE / "topology/errors").glob("*.yml")))

Produce = Callable[[], str]


def inventory_text(topology: Topology) -> str:
    return json.dumps(inventory(topology), indent=2) + "\n"


def vagrant_text(topology: Topology) -> str:
    setting = Setting(
        box="lab/debian13",
        box_version="13.0.1",
        box_url="file:///cache/box.json",
        box_checksum="sha256:" + 64 * "0",
        file="/project/lab.yml",
        reach="/project/.lab/reach",
        consoles="/project/.lab/consoles",
    )
    return json.dumps(vagrant(topology, setting), indent=2) + "\n"


def schema_text() -> str:
    return json.dumps(schema(), indent=2) + "\n"


def of_lab(path: Path, render: Callable[[Topology], str]) -> str:
    return render(load(path))


def log(path: Path) -> str:
    """Return the mistakes of a wrong lab as `lab validate` prints them in its directory."""
    try:
        load(path)
    except InvalidTopologyError as error:
        return "".join(f"{path.name}:{mistake}\n" for mistake in error.mistakes)
    return ""


def cluster(path: Path) -> dict[Path, Produce]:
    """Return what produces the golden files of a lab's kubeadm."""
    golden = HERE / "roles" / path.stem
    files: dict[Path, Produce] = {
        golden.with_suffix(".kubeadm.yml"): partial(rendered.kubeadm, path),
        golden.with_suffix(".join.yml"): partial(rendered.join, path),
        golden.with_suffix(".containerd.toml"): partial(rendered.containerd, path),
    }
    for file in POD_NETWORKS if path == LABS[0] else POD_NETWORKS[:-1]:
        files[golden.with_suffix(f".{file}")] = partial(rendered.pod_network, path, file=file)
    return files


def goldens() -> dict[Path, Produce]:
    """Return what produces each golden file."""
    files: dict[Path, Produce] = {
        ROOT / "docs/topology.md": reference,
        ROOT / "docs/lab.svg": partial(of_lab, ROOT / "lab.yml", svg),
        HERE / "topology/lab.schema.json": schema_text,
    }
    for path in LABS:
        golden = HERE / "labs" / path.stem
        files[golden.with_suffix(".inventory.json")] = partial(of_lab, path, inventory_text)
        files[golden.with_suffix(".vagrant.json")] = partial(of_lab, path, vagrant_text)
        files[golden.with_suffix(".mmd")] = partial(of_lab, path, mermaid)
        files[golden.with_suffix(".svg")] = partial(of_lab, path, svg)
    for path in ROUTED:
        golden = HERE / "roles" / path.stem
        files[golden.with_suffix(".bird.conf")] = partial(rendered.bird_conf, path)
        files[golden.with_suffix(".hosts")] = partial(rendered.hosts, path)
        files[golden.with_suffix(".client.yaml")] = partial(
            rendered.routes, path, machine="client", role="client"
        )
        files[golden.with_suffix(".k8s-worker1.yaml")] = partial(
            rendered.routes, path, machine="k8s-worker1", role="kube_node"
        )
        files |= cluster(path)
    for template in rendered.units():
        for machine in ("k8s-master", "k8s-worker1")[: 2 if "pocket_node" in template.parts else 1]:
            golden = HERE / "roles" / f"lab.{machine}.{template.stem}"
            files[golden] = partial(rendered.unit, ROOT / "lab.yml", machine=machine, template=template)
    return files | {path.with_suffix(".log"): partial(log, path) for path in WRONG}
