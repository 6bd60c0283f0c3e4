"""The picture: well-formed, complete, and nothing on top of anything else, however many workers and pools."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from lab.render.diagram import svg
from lab.render.layout import Box, Layout, layout
from lab.render.mermaid import mermaid
from lab.topology.loader import load
from lab.topology.model import Pool, Topology

ROOT = Path(__file__).resolve().parents[3]
LABS = {path.stem: load(path) for path in (ROOT / "lab.yml", *(ROOT / "labs").glob("*.yml"))}


def with_workers(count: int) -> Topology:
    lab = LABS["lab"]
    return replace(lab, workers=lab.workers[:1] * count)


def with_pools(count: int) -> Topology:
    lab = LABS["lab"]
    pool = Pool(name="a-pool-with-a-rather-long-name", addresses=tuple(lab.pool_subnets()) * 4)
    return replace(lab, load_balancer=replace(lab.load_balancer, pools=(pool,) * count))


SHAPES = {
    **LABS,
    **{f"{count} workers": with_workers(count) for count in (1, 2, 5, 40)},
    **{f"{count} pools": with_pools(count) for count in (1, 3)},
}


def machines_and_bars(boxes: Layout) -> list[Box]:
    bars = [boxes.client_network, boxes.cluster_network, *boxes.pools]
    return [boxes.client, boxes.router, boxes.control_plane, *boxes.workers, *bars]


def apart(one: Box, other: Box) -> bool:
    beside = one.right < other.x or other.right < one.x
    return beside or one.bottom < other.y or other.bottom < one.y


def inside(box: Box, frame: Box) -> bool:
    across = frame.x < box.x and box.right < frame.right
    return across and frame.y < box.y and box.bottom < frame.bottom


@pytest.mark.parametrize("lab", SHAPES.values(), ids=SHAPES)
def test_boxes_are_on_the_paper_and_apart(lab: Topology) -> None:
    boxes = layout(lab)
    standing = machines_and_bars(boxes)
    assert all(inside(box, boxes.paper) for box in (*standing, boxes.system))
    assert all(apart(one, other) for one, other in combinations(standing, 2))
    assert all(inside(box, boxes.system) for box in (*boxes.workers, *boxes.pools))
    assert apart(boxes.control_plane, boxes.system)


@pytest.mark.parametrize("draw", [svg, mermaid])
@pytest.mark.parametrize("lab", LABS.values(), ids=LABS)
def test_everything_is_named(lab: Topology, draw) -> None:
    picture = draw(lab)
    for machine in lab.machines:
        assert machine.name in picture
        assert all(str(a.ip) in picture for i in machine.interfaces for a in i.addresses)
    for network in lab.networks:
        assert all(text in picture for text in (network.name, *map(str, network.subnets)))
    assert f"AS {lab.bgp.router_asn}" in picture
    assert f"AS {lab.bgp.cluster_asn}" in picture
    assert all(str(subnet) in picture for subnet in lab.pool_subnets())


@pytest.mark.parametrize("lab", SHAPES.values(), ids=SHAPES)
def test_svg_is_well_formed(lab: Topology) -> None:
    root = ET.fromstring(svg(lab))  # noqa: S314 - our own output
    assert root.tag == "{http://www.w3.org/2000/svg}svg"


def test_one_session_a_worker() -> None:
    assert svg(LABS["ten-workers"]).count('class="session"') == 10
    assert mermaid(LABS["ten-workers"]).count("BGP") == 10


def test_texts_are_escaped() -> None:
    assert "<title>The lab a &lt; b &amp; c</title>" in svg(replace(LABS["lab"], name="a < b & c"))
