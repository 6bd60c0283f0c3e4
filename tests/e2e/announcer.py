"""A stand-in for the load balancer, for tests of the network alone: BIRD and nginx on each worker.

Each worker holds the external address on its loopback, serves its own name there, and announces the address to the
router over BGP. Nothing here decides what works: the router and the client do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from lab.topology.model import Address, Machine, Topology
from tests.e2e.eventually import wait_until

DIRECTORY = "/run/announcer"


def external_address(topology: Topology) -> IPv4Address:
    """Return the first IPv4 address that the pool may hand out."""
    return next(subnet for subnet in topology.pool_subnets() if isinstance(subnet, IPv4Network))[1]


def bird_configuration(topology: Topology, worker: Machine, extra: Iterable[str] = ()) -> str:
    near = topology.cluster_network.name
    routes = "".join(
        f'  route {prefix} via "lo";\n' for prefix in [f"{external_address(topology)}/32", *extra]
    )
    password = f'  password "{topology.bgp.password}";\n' if topology.bgp.password else ""
    return f"""
router id {worker.address(near)};
protocol device {{}}
protocol static {{
  ipv4;
{routes}}}
protocol bgp router {{
  local {worker.address(near)} as {topology.bgp.cluster_asn};
  neighbor {topology.router.address(near)} as {topology.bgp.router_asn};
  hold time {topology.bgp.hold_time};
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
{password}  ipv4 {{ import none; export all; next hop self; }};
}}
"""


def nginx_configuration(worker: Machine, address: Address) -> str:
    return f"""
daemon on;
pid {DIRECTORY}/nginx.pid;
error_log {DIRECTORY}/nginx.log;
events {{}}
http {{
  access_log off;
  server {{ listen {address}:80; location / {{ return 200 "{worker.name}\\n"; }} }}
}}
"""


class Announcers:
    """The stand-ins on all workers."""

    def __init__(self, topology: Topology, on: Callable[[str], Any]) -> None:
        self._topology = topology
        self._on = on
        self.address = external_address(topology)

    def start(self) -> None:
        for worker in self._topology.workers:
            host = self._on(worker.name)
            host.check_output("mkdir -p %s && ip address replace %s dev lo", DIRECTORY, f"{self.address}/32")
            self._write(host, "nginx.conf", nginx_configuration(worker, self.address))
            host.check_output("nginx -c %s", f"{DIRECTORY}/nginx.conf")
            self.announce(worker)

    def announce(self, worker: Machine, extra: Iterable[str] = ()) -> None:
        host = self._on(worker.name)
        self._write(host, "bird.conf", bird_configuration(self._topology, worker, extra))
        host.check_output(
            "bird -c %s -s %s -P %s", *(f"{DIRECTORY}/bird.{kind}" for kind in ("conf", "ctl", "pid"))
        )

    def withdraw(self, worker: Machine) -> None:
        """End the worker's BGP speaker in order: the session closes with a Cease."""
        host = self._on(worker.name)
        host.check_output("birdc -s %s down", f"{DIRECTORY}/bird.ctl")
        assert wait_until(lambda: not host.file(f"{DIRECTORY}/bird.pid").exists)

    def stop(self) -> None:
        for worker in self._topology.workers:
            host = self._on(worker.name)
            if host.file(f"{DIRECTORY}/bird.pid").exists:
                self.withdraw(worker)
            host.check_output("kill $(cat %s)", f"{DIRECTORY}/nginx.pid")
            host.check_output("rm -r %s && ip address del %s dev lo", DIRECTORY, f"{self.address}/32")

    @staticmethod
    def _write(host: Any, name: str, content: str) -> None:
        host.check_output("printf %%s %s > %s", content, f"{DIRECTORY}/{name}")
