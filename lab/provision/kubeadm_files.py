"""What a cluster made by kubeadm takes from elsewhere, and what of it is not at hand: docs/bundle.md has the layout.

The role `validate` asks less of the same, for those who run the playbooks by hand.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from lab.errors import UsageError
from lab.kits import oci
from lab.provision.artefacts import Difference, Fault, Kind, Lock, compare, describe
from lab.topology.model import Kubernetes, PodNetwork

PROGRAMS: Final = (
    *("bin/kubeadm", "bin/kubelet", "bin/kubectl", "bin/crictl"),
    *("bin/containerd", "bin/containerd-shim-runc-v2", "bin/ctr", "bin/runc"),
)
"""All of them, or none: then they are from package repositories."""
NETWORKS: Final = {
    PodNetwork.FLANNEL: ("manifests/flannel.yaml",),
    PodNetwork.CALICO: ("manifests/calico.yaml",),
    PodNetwork.CILIUM: ("bin/helm", "charts/cilium-*.tgz"),
    PodNetwork.NONE: (),
}
TAKEN: Final = (Kind.BIN, Kind.CHARTS, Kind.IMAGES, Kind.MANIFESTS)
REGISTRY: Final = "registry.k8s.io"
RELEASED: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
"""Images that have the release for their tag."""
COMPANIONS: Final = ("etcd", "coredns/coredns", "pause")
"""Images whose tag is kubeadm's choice: `kubeadm config images list`."""
IMAGE: Final = re.compile(r"""(?m)^[\s-]*image:\s*["']?([^\s"'#]+)""")


def lacking(kubernetes: Kubernetes, lock: Lock, directory: Path, *, online: bool) -> list[Difference]:
    """Return everything that is not in the lock, not in `directory` or another file there, by name.

    Machines that are `online` can fetch programs and images themselves. Reads all of the files.
    """
    taken = lock.of(*TAKEN)
    locked = {artefact.path for artefact in taken}
    programs = PROGRAMS if not online or locked.intersection(PROGRAMS) else ()
    wanted = (*programs, *NETWORKS[kubernetes.pod_network])
    unlocked = [p for p in wanted if not any(fnmatch(path, p) for path in locked)]
    # What lies there and is not in the lock is not used.
    found = [d for d in compare(taken, describe(directory, TAKEN)) if d.fault is not Fault.UNKNOWN]
    found += [Difference(path=path, fault=Fault.UNKNOWN) for path in unlocked]
    if not online:
        broken = {difference.path for difference in found}
        usable = {artefact.path for artefact in lock.of(Kind.IMAGES)} - broken
        found += _images(kubernetes, directory, usable)
    return sorted(found, key=lambda difference: difference.path)


def _images(kubernetes: Kubernetes, directory: Path, archives: Collection[str]) -> Iterator[Difference]:
    """Yield the archives that are none, and the images that no archive has."""
    here: set[str] = set()
    for archive in archives:
        try:
            here |= {_plain(reference) for reference in oci.references(directory / archive)}
        except UsageError:
            yield Difference(path=archive, fault=Fault.WRONG, detail="it is no image archive")
    released = {f"{REGISTRY}/{name}:v{kubernetes.version}" for name in RELEASED}
    missing = sorted((released | _of_manifests(kubernetes, directory)) - here)
    companions = (f"{REGISTRY}/{name}:" for name in COMPANIONS)
    missing += [f"{name}TAG" for name in companions if not any(image.startswith(name) for image in here)]
    for image in missing:
        yield Difference(path=image, fault=Fault.MISSING, detail="no archive in images/ has it")


def _of_manifests(kubernetes: Kubernetes, directory: Path) -> set[str]:
    """Return the images that the pod network's manifest runs."""
    files = (directory / path for path in NETWORKS[kubernetes.pod_network] if path.endswith(".yaml"))
    return {
        _plain(reference)
        for file in files
        if file.exists()
        for reference in IMAGE.findall(file.read_text(errors="replace"))
    }


def _plain(reference: str) -> str:
    """Return a reference without the registry that is meant where none is named, and without a digest after a tag."""
    return reference.partition("@")[0].removeprefix("docker.io/").removeprefix("library/")
