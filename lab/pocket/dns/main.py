"""The cluster DNS' command line: `python -m lab.pocket dns --kubeconfig FILE --listen 10.0.0.10 --cluster-ip 10.96.0.10`."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Never

from lab.errors import ApiError
from lab.kits import unattended
from lab.kits.backoff import Backoff
from lab.kits.log import LEVELS, Log, start_logging
from lab.kube.client import Client
from lab.kube.config import load_config
from lab.kube.errors import AlreadyExists
from lab.kube.resources import ENDPOINT_SLICES, SERVICES, Json
from lab.kube.watch import Change, Reflector, without_managed_fields
from lab.pocket.dns.server import Resolver, resolvers, serve
from lab.pocket.dns.zone import Zone

log = Log(__name__)
NAMESPACE: Final = "kube-system"
NAME: Final = "kube-dns"


def main(argv: Sequence[str]) -> None:
    """Run the cluster's DNS until a signal ends it; raises UsageError for an unusable kubeconfig."""
    parser = argparse.ArgumentParser(prog="dns", description=__doc__)
    parser.add_argument("--kubeconfig", default="", help="how to reach the API; default: as kubectl finds it")
    parser.add_argument("--listen", required=True, metavar="IP[,IP]", help="addresses of this node")
    parser.add_argument("--port", type=int, default=53)
    parser.add_argument(
        "--cluster-ip", default="", help="address of the Service kube-dns; default: have none"
    )
    parser.add_argument("--cluster-domain", default="cluster.local")
    parser.add_argument("--log-level", default="info", choices=LEVELS)
    options = parser.parse_args(argv)
    start_logging(options.log_level)
    client = Client(load_config(options.kubeconfig), user_agent="lab-dns")
    server = ClusterDns(
        client, domain=options.cluster_domain, addresses=options.listen.split(","), port=options.port
    )
    unattended.run(server.run(cluster_ip=options.cluster_ip))


class ClusterDns:
    """Follows the API and answers."""

    def __init__(self, client: Client, *, domain: str, addresses: Sequence[str], port: int) -> None:
        self._client = client
        self._domain = domain
        self._addresses = addresses
        self._port = port
        self._services = Reflector(client, SERVICES, without_managed_fields, on_change=self._changed)
        self._slices = Reflector(client, ENDPOINT_SLICES, without_managed_fields, on_change=self._changed)
        self._zone: Zone | None = None

    async def run(self, *, cluster_ip: str) -> Never:
        """Serve until cancelled, as the Service kube-dns of the address `cluster_ip`, or of the usual one when empty."""
        upstream = resolvers(Path("/etc/resolv.conf"), [*self._addresses, cluster_ip])
        async with asyncio.TaskGroup() as group:
            group.create_task(self._services.run())
            group.create_task(self._slices.run())
            await self._services.synced.wait()
            await self._slices.synced.wait()
            group.create_task(serve(Resolver(self._current, upstream), self._addresses, self._port))
            await self._register(cluster_ip)
        raise AssertionError("runs until cancelled")

    def _changed(self, change: Change[Json]) -> None:
        del change
        self._zone = None

    def _current(self) -> Zone:
        if self._zone is None:
            self._zone = Zone(self._domain, self._services.store.values(), self._slices.store.values())
        return self._zone

    async def _register(self, cluster_ip: str) -> None:
        """Create the Service and its endpoints, again until the API has taken them."""
        backoff = Backoff()
        while True:
            try:
                with suppress(AlreadyExists):
                    await self._client.create(SERVICES, service(cluster_ip or await self._usual_address()))
                for address in self._addresses:
                    await self._announce(endpoint_slice(address, self._port))
            except ApiError as error:
                log.warning("cannot register the DNS service yet", error=error.message)
                await asyncio.sleep(backoff.delay())
            else:
                return

    async def _usual_address(self) -> str:
        """Return the tenth address of the Services' range, of which the API's own Service has the first."""
        api = await self._client.get(SERVICES, "kubernetes", namespace="default")
        return str(ip_address(api["spec"]["clusterIP"]) + 9)

    async def _announce(self, body: Json) -> None:
        try:
            await self._client.create(ENDPOINT_SLICES, body)
        except AlreadyExists:
            await self._client.patch(ENDPOINT_SLICES, body["metadata"]["name"], body, namespace=NAMESPACE)


def service(cluster_ip: str) -> Json:
    """Return the Service under which pods find the DNS. It has no selector: the servers are programs on nodes."""
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    ]
    labels = {"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": labels},
        "spec": {"clusterIP": cluster_ip, "ports": ports},
    }


def endpoint_slice(address: str, port: int) -> Json:
    """Return the EndpointSlice of one server."""
    version = ip_address(address).version
    suffix = address.replace(".", "-").replace(":", "-").strip("-")
    return {
        "apiVersion": ENDPOINT_SLICES.api_version,
        "kind": ENDPOINT_SLICES.kind,
        "metadata": {
            "name": f"{NAME}-{suffix}",
            "namespace": NAMESPACE,
            "labels": {
                "kubernetes.io/service-name": NAME,
                "endpointslice.kubernetes.io/managed-by": "lab-dns",
            },
        },
        "addressType": f"IPv{version}",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [
            {"name": name, "port": port, "protocol": protocol}
            for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
        ],
    }
