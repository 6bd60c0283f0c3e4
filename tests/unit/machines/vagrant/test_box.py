from __future__ import annotations

import re
import tarfile
from pathlib import Path

import pytest

from lab.machines.vagrant import box, disk, recipe
from lab.topology.model import Hypervisor


def test_the_first_sector_boots_the_one_partition() -> None:
    sector = disk.master_boot_record(b"\xeb\x63" + b"\0" * 438)
    assert len(sector) == disk.SECTOR
    assert sector.endswith(b"\x55\xaa")
    assert (sector[446], sector[450]) == (disk.ACTIVE, disk.LINUX)
    assert int.from_bytes(sector[454:458], "little") == disk.PARTITION
    last = disk.PARTITION + int.from_bytes(sector[458:462], "little")
    assert last * disk.SECTOR == recipe.DISK_BYTES


def test_a_version_is_what_vagrant_takes_and_follows_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipe.version()
    assert re.fullmatch(r"\d+\.\d+\.\d+", before)
    monkeypatch.setattr(recipe, "PACKAGES", (*recipe.PACKAGES, "another"))
    assert recipe.version() != before


@pytest.mark.parametrize("form", recipe.FORMS.values(), ids=lambda form: form.hypervisor)
def test_a_box_is_the_same_bytes_every_time(
    form: recipe.Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert(argv: list[str], **_: object) -> str:
        Path(argv[-1]).write_bytes(b"CID=8f3a11c2\nparentCID=ffffffff\n")
        return ""

    monkeypatch.setattr(disk, "run", convert)
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        file = tmp_path / name / "it.box"
        disk.pack(tmp_path / "disk.raw", file, form)
        made.append(file.read_bytes())
        assert [p.name for p in file.parent.iterdir()] == ["it.box"]
    assert made[0] == made[1]
    with tarfile.open(tmp_path / "one/it.box") as archive:
        assert {"metadata.json", form.disk} <= set(archive.getnames())
        assert {member.mtime for member in archive} == {recipe.EPOCH}


def test_boxes_are_found_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_CACHE_DIR", str(tmp_path))

    def fill(tree: Path) -> None:
        tree.mkdir()
        (tree / "libvirt.box").write_bytes(b"box")
        box._write_catalogue(tree, Hypervisor.LIBVIRT)

    assert box.found() == []
    box.boxes().make(box._entry_name(Hypervisor.LIBVIRT), fill)
    found = box.find(Hypervisor.LIBVIRT)
    assert found
    assert found.current
    assert box.found() == [found]
    box.remove(found)
    assert box.find(Hypervisor.LIBVIRT) is None
