"""Keys and kubeconfigs of the cluster: made on this host for each new lab, delivered to the machines that need them.

They are in no role, no layer and no image: a machine that boots with a kept configuration waits for them.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.actions import proved
from lab.actions.steps import Context
from lab.kits.shell import run
from lab.pocket import pki
from lab.topology.model import Machine, Topology

API_PORT = 6443
ADMIN = "kubernetes-admin"
USER = "vagrant"
TIMEOUT = 30.0
"""Seconds, on a machine container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A file for a machine."""

    path: str
    content: Callable[[], bytes]
    """Makes it: a key pair takes time, and is made only to be delivered."""
    mode: int = 0o600
    owner: str = "root"


def api_url(topology: Topology) -> str:
    """Return where the cluster's API is served."""
    address = topology.control_plane.address(topology.cluster_network.name)
    host = f"[{address}]" if address.version == 6 else str(address)  # the number is its name
    return f"https://{host}:{API_PORT}"


def directory(context: Context) -> Path:
    return context.generated / "pki"


def forget(context: Context) -> None:
    """Remove the keys of a lab that is gone, and the note that it was proved."""
    shutil.rmtree(directory(context), ignore_errors=True)
    proved.forget(context)


def for_machine(context: Context, machine: Machine) -> list[Credential]:
    """Return what `machine` needs, by its role in the lab; made on first use."""
    issue = _Issuer(directory(context), api_url(context.topology))
    admin = issue.kubeconfig(ADMIN, "system:masters")
    if machine == context.topology.router:
        return []
    if machine == context.topology.client:
        return [_for_user(admin)]
    node = [
        _kubeconfig("kubelet", issue.kubeconfig(f"system:node:{machine.name}", "system:nodes")),
        _kubeconfig("kube-proxy", issue.kubeconfig("system:kube-proxy")),
    ]
    if machine != context.topology.control_plane:
        return node
    return [
        *node,
        *(
            Credential(path=f"/var/lib/pocket/pki/{name}", content=issue.key(name))
            for name in ("ca.crt", "ca.key", "sa.key")
        ),
        _kubeconfig("controller-manager", issue.kubeconfig("system:kube-controller-manager")),
        _kubeconfig("admin", admin),
        _for_user(admin),
    ]


def deliver(context: Context, machine: Machine, credentials: Iterable[Credential]) -> None:
    """Write the files on the machine, in place of older ones."""
    argv = ["tar", "--extract", "--directory=/", "--same-owner", "--same-permissions", "--no-overwrite-dir"]
    enter = context.enter(machine.name, *argv)
    run(enter, stdin=_archive(credentials), timeout=context.patience(TIMEOUT))


@dataclass(frozen=True, slots=True)
class _Issuer:
    """Makes what is asked for when it is called: with the authority in `directory`, made on first use."""

    directory: Path
    server: str

    def kubeconfig(self, user: str, *groups: str) -> Callable[[], bytes]:
        def made() -> bytes:
            authority = pki.load_or_create_authority(self.directory)
            identity = pki.client_certificate(authority, user, groups)
            return pki.kubeconfig(
                server=self.server, authority=authority, identity=identity, user=user, cluster="lab"
            )

        return made

    def key(self, name: str) -> Callable[[], bytes]:
        def read() -> bytes:
            pki.load_or_create_authority(self.directory)
            pki.load_or_create_signing_key(self.directory)
            return (self.directory / name).read_bytes()

        return read


def _kubeconfig(name: str, content: Callable[[], bytes]) -> Credential:
    return Credential(path=f"/etc/kubernetes/{name}.conf", content=content)


def _for_user(content: Callable[[], bytes]) -> Credential:
    return Credential(path=f"/home/{USER}/.kube/config", content=content, owner=USER)


def _archive(credentials: Iterable[Credential]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for credential in credentials:
            home = tarfile.TarInfo(str(Path(credential.path).parent).lstrip("/"))
            home.type, home.mode = tarfile.DIRTYPE, 0o755 if credential.owner == "root" else 0o700
            content = credential.content()
            file = tarfile.TarInfo(credential.path.lstrip("/"))
            file.size, file.mode = len(content), credential.mode
            for member in (home, file):
                member.uname = member.gname = credential.owner
            archive.addfile(home)
            archive.addfile(file, io.BytesIO(content))
    return output.getvalue()
