"""The description that VirtualBox imports, held to the rules of OVF 1.x (DSP0243) and of CIM's resource classes."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from lab.machines.vagrant import disk, recipe
from lab.topology.model import Hypervisor

OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
ENVELOPE = ["References", "DiskSection", "NetworkSection", "VirtualSystem"]
PROCESSOR, MEMORY, ETHERNET, DRIVE, CONTROLLER = "3", "4", "10", "17", "20"
"""CIM_ResourceAllocationSettingData.ResourceType."""


@pytest.fixture(scope="module")
def envelope() -> ET.Element:
    text = disk._texts(recipe.FORMS[Hypervisor.VIRTUALBOX])["box.ovf"]
    return ET.fromstring(text)  # noqa: S314  # our own


def test_the_sections_are_in_the_order_of_the_schema(envelope: ET.Element) -> None:
    assert [section.tag.removeprefix(OVF) for section in envelope] == ENVELOPE


def test_the_parts_of_an_item_are_in_the_order_of_the_schema(envelope: ET.Element) -> None:
    """CIM's schema is an xs:sequence, by name."""
    items = list(envelope.iter(f"{OVF}Item"))
    assert items
    for item in items:
        names = [part.tag for part in item]
        assert names == sorted(names)
        assert {f"{RASD}ElementName", f"{RASD}InstanceID", f"{RASD}ResourceType"} <= set(names)


def test_everything_that_is_referred_to_is_there(envelope: ET.Element) -> None:
    items = {item.findtext(f"{RASD}InstanceID"): item for item in envelope.iter(f"{OVF}Item")}
    assert len(items) == len(list(envelope.iter(f"{OVF}Item")))
    kinds = {item.findtext(f"{RASD}ResourceType"): item for item in items.values()}
    assert set(kinds) == {PROCESSOR, MEMORY, ETHERNET, DRIVE, CONTROLLER}
    assert items[kinds[DRIVE].findtext(f"{RASD}Parent")] is kinds[CONTROLLER]
    networks = {network.get(f"{OVF}name") for network in envelope.iter(f"{OVF}Network")}
    assert kinds[ETHERNET].findtext(f"{RASD}Connection") in networks


def test_every_file_is_in_the_box(envelope: ET.Element) -> None:
    form = recipe.FORMS[Hypervisor.VIRTUALBOX]
    assert [file.get(f"{OVF}href") for file in envelope.iter(f"{OVF}File")] == [form.disk]
    assert Path(disk.__file__).with_name("box.ovf").read_text().count("$") == 2
