"""Where things stand on the picture of a lab: the client above, the router in the middle, the cluster below.

Lengths are in pixels. The picture grows to the right with the workers and down with the pools.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lab.topology.model import Machine, Topology

MARGIN: Final = 24
GAP: Final = 20
LINE: Final = 18
BAR: Final = 34
LINK: Final = 46
CHARACTER: Final = 7.6
"""A character of the labels; widths are estimated, there is no font to measure."""
LEAST_WIDTH: Final = 800
LEAST_MACHINE: Final = 124


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle on the picture."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    def around(self, margin: float) -> Box:
        """Return the rectangle that is larger by `margin` on every side."""
        return Box(
            x=self.x - margin,
            y=self.y - margin,
            width=self.width + 2 * margin,
            height=self.height + 2 * margin,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    paper: Box
    client: Box
    client_network: Box
    router: Box
    cluster_network: Box
    control_plane: Box
    workers: tuple[Box, ...]
    pools: tuple[Box, ...]
    system: Box
    """The cluster's AS: the workers and what they announce."""


def layout(lab: Topology) -> Layout:
    """Return the place of every box of the picture of `lab`."""
    width = max(LEAST_MACHINE, *(_width(machine) for machine in lab.machines))
    families = len(lab.cluster_network.subnets)
    height, router_height = LINE * (1 + families) + 18, LINE * (2 + 2 * families) + 18
    pools = [
        len(pool.name) + sum(len(str(subnet)) + 2 for subnet in pool.addresses)
        for pool in lab.load_balancer.pools
    ]
    workers = len(lab.workers) * (width + GAP) - GAP
    system = max(workers, *(length * CHARACTER + 150 for length in pools))
    cluster = width + 2 * GAP + system + GAP
    inner = max(cluster, LEAST_WIDTH)
    left = MARGIN + (inner - cluster) / 2
    middle = MARGIN + (inner - width) / 2
    tops = _stack(MARGIN, height, LINK / 2, BAR, LINK / 2, router_height, 2 * LINK, BAR, LINK, height, 26)
    client, client_network, router, cluster_network, node, pool = tops[::2]
    first_worker = left + width + 2 * GAP + (system - workers) / 2
    bars = tuple(
        Box(x=left + width + 2 * GAP, y=pool + n * (BAR + 8), width=system, height=BAR)
        for n in range(len(pools))
    )
    area = Box(x=bars[0].x, y=node, width=system, height=bars[-1].bottom - node + LINE).around(GAP - 4)
    return Layout(
        paper=Box(x=0, y=0, width=inner + 2 * MARGIN, height=area.bottom + MARGIN),
        client=Box(x=middle, y=client, width=width, height=height),
        client_network=Box(x=MARGIN, y=client_network, width=inner, height=BAR),
        router=Box(x=middle, y=router, width=width, height=router_height),
        cluster_network=Box(x=MARGIN, y=cluster_network, width=inner, height=BAR),
        control_plane=Box(x=left, y=node, width=width, height=height),
        workers=tuple(
            Box(x=first_worker + n * (width + GAP), y=node, width=width, height=height)
            for n in range(len(lab.workers))
        ),
        pools=bars,
        system=area,
    )


def _stack(top: float, *heights: float) -> list[float]:
    """Return the top of each of `heights`, one below the other, and where the last one ends."""
    tops = [top]
    for height in heights:
        tops.append(tops[-1] + height)
    return tops


def _width(machine: Machine) -> float:
    texts = [str(address.ip) for interface in machine.interfaces for address in interface.addresses]
    return max(len(text) for text in (machine.name, *texts)) * CHARACTER + 28
