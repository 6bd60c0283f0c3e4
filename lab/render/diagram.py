"""The lab as a picture. Solid lines are links, dashed ones BGP sessions, dotted ones what the workers answer for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lab.render import svg as draw
from lab.render.layout import BAR, LINE, Layout, layout
from lab.render.svg import Box
from lab.topology.model import Machine, Network, Session, Topology

STYLE: Final = """
text{font:13px ui-sans-serif,system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;fill:#1f2937}
.center{text-anchor:middle}
.mono{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#475569}
.name{font-weight:600}
.title{font-size:18px;font-weight:700}
.asn{font-size:12px;font-weight:700;fill:#b45309}
.note{font-size:12px;fill:#475569}
.sessions{font-size:12px;fill:#b45309}
rect{stroke-width:1.5}
.paper{fill:#fff;stroke:#e2e8f0}
.router{fill:#fffbeb;stroke:#d97706}
.control_plane{fill:#f5f3ff;stroke:#7c3aed}
.worker{fill:#eff6ff;stroke:#2563eb}
.client{fill:#ecfdf5;stroke:#059669}
.network{fill:#e2e8f0;stroke:#cbd5e1}
.system{fill:#fffdf5;stroke:#fcd34d}
.pool{fill:#fdf2f8;stroke:#db2777}
path{fill:none}
.link{stroke:#64748b;stroke-width:2}
.session{stroke:#d97706;stroke-width:1.5;stroke-dasharray:6 4}
.answer{stroke:#db2777;stroke-width:2;stroke-dasharray:1 5;stroke-linecap:round}
"""
APART: Final = 14
"""Between a machine's link and its session, and between sessions at the router."""


def svg(topology: Topology) -> str:
    """Return the picture as an SVG file."""
    boxes = layout(topology)
    return draw.document(
        boxes.paper,
        f"The lab {topology.name}",
        STYLE,
        draw.rectangle(boxes.paper.around(-1), "paper", radius=14),
        draw.rectangle(boxes.system, "system", radius=14),
        *_links(boxes),
        *_network(topology.client_network, boxes.client_network),
        *_network(topology.cluster_network, boxes.cluster_network),
        *_sessions(boxes),
        *_machines(topology, boxes),
        *_pools(topology, boxes),
        *_notes(topology, boxes),
    )


def _links(boxes: Layout) -> Iterator[str]:
    router, above, below = boxes.router, boxes.client_network, boxes.cluster_network
    yield draw.line(boxes.client.middle, boxes.client.bottom, above.y, "link")
    yield draw.line(router.middle, above.bottom, router.y, "link")
    yield draw.line(router.middle, router.bottom, below.y, "link")
    for node in (boxes.control_plane, *boxes.workers):
        yield draw.line(node.middle, below.bottom, node.y, "link")


def _network(network: Network, box: Box) -> Iterator[str]:
    yield draw.rectangle(box, "network", radius=BAR / 2)
    subnets = ((str(subnet), "mono") for subnet in network.subnets)
    yield draw.label(box.x + 20, box.y + 22, (network.name, "name"), *subnets)


def _sessions(boxes: Layout) -> Iterator[str]:
    """Yield a curve a worker, beside the links: from the router's bottom to the side of the worker's link."""
    router = boxes.router
    step = min(APART, (router.width / 2 - APART) / len(boxes.workers))
    on_the_left = sum(worker.middle < router.middle for worker in boxes.workers)
    for number, worker in enumerate(boxes.workers):
        place = number - on_the_left + (number >= on_the_left)
        end = _beside(worker.middle, router.middle, from_the_left=place < 0)
        yield draw.curve((router.middle + place * step, router.bottom), (end, worker.y), "session")


def _beside(link: float, middle: float, *, from_the_left: bool) -> float:
    """Return where a session ends beside a worker's link: towards the middle, unless that is across it."""
    if from_the_left:
        return link + APART if link + APART < middle else link - APART
    return link - APART if link - APART > middle else link + APART


def _machines(lab: Topology, boxes: Layout) -> Iterator[str]:
    yield from _machine(lab.client, boxes.client)
    yield from _machine(lab.router, boxes.router)
    yield from _machine(lab.control_plane, boxes.control_plane)
    for worker, box in zip(lab.workers, boxes.workers, strict=True):
        yield from _machine(worker, box)


def _machine(machine: Machine, box: Box) -> Iterator[str]:
    yield draw.rectangle(box, machine.role.value)
    yield draw.text(box.middle, box.y + 23, machine.name, "name center")
    addresses = (
        str(address.ip) for interface in reversed(machine.interfaces) for address in interface.addresses
    )
    for number, address in enumerate(addresses, start=1):
        yield draw.text(box.middle, box.y + 23 + number * LINE, address, "mono center")


def _pools(lab: Topology, boxes: Layout) -> Iterator[str]:
    for worker in boxes.workers:
        yield draw.line(worker.middle, worker.bottom + 5, boxes.pools[0].y - 3, "answer")
    for pool, box in zip(lab.load_balancer.pools, boxes.pools, strict=True):
        yield draw.rectangle(box, "pool", radius=BAR / 2)
        parts = (("external IPs", "note"), (pool.name, "name"), (", ".join(map(str, pool.addresses)), "mono"))
        yield draw.label(box.middle, box.y + 22, *parts, anchor="center")


def _notes(lab: Topology, boxes: Layout) -> Iterator[str]:
    bgp, area, router = lab.bgp, boxes.system, boxes.router
    yield draw.text(boxes.client_network.x, boxes.client.y + 16, lab.name, "title")
    yield draw.text(router.middle, router.bottom - 13, f"AS {bgp.router_asn}", "asn center")
    yield draw.text(area.middle, area.bottom - 12, f"AS {bgp.cluster_asn}", "asn center")
    kind = "eBGP" if bgp.session is Session.EXTERNAL else "iBGP"
    extras = ("BFD" if bgp.bfd else "", "MD5" if bgp.password else "")
    note = ", ".join(filter(None, (f"{kind}, hold time {bgp.hold_time} s", *extras)))
    yield draw.text(router.right + 14, router.bottom + 22, note, "sessions")
