"""The lab as a picture: where its lines run. What it looks like is in templates/lab.svg.j2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lab.render.layout import LINE, Layout, layout
from lab.render.templates import render
from lab.topology.model import Topology

APART: Final = 14
"""Between a machine's link and its session, and between sessions at the router."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A line that leaves (x, top) and reaches (end, bottom) vertically; both bows end at the height `bend`."""

    x: float
    top: float
    end: float
    bottom: float

    @property
    def bend(self) -> float:
        return (self.top + self.bottom) / 2


def svg(topology: Topology) -> str:
    """Return the picture as an SVG file."""
    boxes = layout(topology)
    sessions = list(_sessions(boxes))
    return render("lab.svg.j2", lab=topology, at=boxes, sessions=sessions, line_height=LINE)


def _sessions(boxes: Layout) -> Iterator[Curve]:
    """Yield a curve a worker, beside the links: from the router's bottom to the side of the worker's link."""
    router = boxes.router
    step = min(APART, (router.width / 2 - APART) / len(boxes.workers))
    on_the_left = sum(worker.middle < router.middle for worker in boxes.workers)
    for number, worker in enumerate(boxes.workers):
        place = number - on_the_left + (number >= on_the_left)
        end = _beside(worker.middle, router.middle, from_the_left=place < 0)
        yield Curve(x=router.middle + place * step, top=router.bottom, end=end, bottom=worker.y)


def _beside(link: float, middle: float, *, from_the_left: bool) -> float:
    """Return where a session ends beside a worker's link: towards the middle, unless that is across it."""
    if from_the_left:
        return link + APART if link + APART < middle else link - APART
    return link - APART if link - APART > middle else link + APART
