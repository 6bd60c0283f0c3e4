"""The API server's process: its directory, its parts, its life."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from lab.pocket import pki
from lab.pocket.apiserver import bootstrap, connections, crds, expiry
from lab.pocket.apiserver.allocations import Allocations
from lab.pocket.apiserver.authentication import Authenticator
from lab.pocket.apiserver.authorization import Authorizer
from lab.pocket.apiserver.builtin import BUILTIN
from lab.pocket.apiserver.kubelets import Kubelets
from lab.pocket.apiserver.manifests import apply_all
from lab.pocket.apiserver.node_authorization import NodeAuthorizer
from lab.pocket.apiserver.registry import Registry
from lab.pocket.apiserver.server import Server
from lab.pocket.apiserver.state import Settings, State
from lab.pocket.store import Limits, Store, opened
from lab.pocket.tokens import TokenSigner

SERVICE_NETWORK = "10.96.0.0/12"  # kubeadm's
KUBELET_CLIENT = ("kube-apiserver-kubelet-client", ("system:masters",))
ADMIN = ("kubernetes-admin", ("system:masters",))


@dataclass(frozen=True, slots=True)
class Running:
    """A server that is ready: where it listens and the kubeconfig of its administrator."""

    state: State
    url: str
    kubeconfig: Path


@asynccontextmanager
async def running(
    data: Path,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    advertise: Sequence[str] = ("127.0.0.1",),
    networks: Sequence[str] = (SERVICE_NETWORK,),
    manifests: Path | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[Running]:
    """Run a server on the state in directory `data`, which is made on first use, until the block ends.

    Every object in the files of directory `manifests` is applied before the server counts as ready.
    """
    listener = connections.listener(host, port)
    authority = pki.load_or_create_authority(data / "pki")
    signer = TokenSigner(pki.load_or_create_signing_key(data / "pki"))
    own_addresses = [str(ip_network(network)[1]) for network in networks]
    identity = pki.server_certificate(authority, [*own_addresses, "127.0.0.1", *advertise])
    certificate, key = pki.write_identity(data / "pki", "apiserver", identity)
    tls = connections.tls_context(certificate, key, data / "pki" / "ca.crt")
    own = pki.client_certificate(authority, *KUBELET_CLIENT)
    kubelet_tls = connections.kubelet_tls_context(
        *pki.write_identity(data / "pki", "apiserver-kubelet-client", own)
    )
    async with opened(data / "store.db", limits) as store:
        settings = Settings(
            advertise=tuple(advertise),
            port=listener.getsockname()[1],
            service_networks=tuple(networks),
            authority_pem=authority.certificate_pem.decode(),
        )
        state = _state(settings, store, signer, kubelet_tls)
        await bootstrap.ensure(state)
        chores = (crds.clean_up_forever(state), expiry.expire_forever(state))
        async with connections.serving(Server(state), listener, tls), _beside(*chores):
            url = f"https://{_in_url(advertise[0])}:{settings.port}"
            kubeconfig = write_kubeconfig(data, url, authority)
            if manifests:
                await apply_all(state.registry, kubeconfig, manifests)
            try:
                yield Running(state, url, kubeconfig)
            finally:
                store.end_watches()


@asynccontextmanager
async def _beside(*chores: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Do endless work while the block runs; when some of it fails, the block's end says so."""
    tasks = [asyncio.create_task(chore) for chore in chores]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()


def write_kubeconfig(data: Path, url: str, authority: pki.Identity) -> Path:
    """Write the administrator's kubeconfig into the data directory."""
    user, groups = ADMIN
    identity = pki.client_certificate(authority, user, groups)
    path = data / "admin.kubeconfig"
    pki.write_private(path, pki.kubeconfig(server=url, authority=authority, identity=identity, user=user))
    return path


def _state(settings: Settings, store: Store, signer: TokenSigner, kubelet_tls: ssl.SSLContext) -> State:
    return State(
        settings=settings,
        store=store,
        registry=Registry(BUILTIN, store),
        authenticator=Authenticator(store, signer),
        authorizer=Authorizer(store, NodeAuthorizer(store).decide),
        signer=signer,
        kubelets=Kubelets(store, kubelet_tls),
        allocations=Allocations(store, settings.service_networks, settings.node_ports),
    )


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address
