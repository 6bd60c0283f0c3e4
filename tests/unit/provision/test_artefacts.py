from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.provision import bundle
from lab.provision.artefacts import Artefact, Fault, Kind, Lock, compare, describe, read_lock, write_lock

FILES = {
    "deb/bird2.deb": b"bird",
    "bin/kubeadm": b"kubeadm",
    "images/pause.tar": b"pause",
    "charts/a/b.tgz": b"b",
}


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "top" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "top"


def artefact(path: str, sha256: str = "0" * 64) -> Artefact:
    return Artefact(path=path, sha256=sha256, size=1, source="http://example.org/x")


@pytest.fixture
def file(top: Path, tmp_path: Path) -> Path:
    bundle.write(tmp_path / "lab.bundle", top, describe(top, Kind))
    return tmp_path / "lab.bundle"


def test_a_lock_is_read_as_it_was_written(tmp_path: Path, top: Path) -> None:
    lock = Lock(tuple(describe(top, Kind)))
    write_lock(tmp_path / "lab.lock", lock)
    assert set(read_lock(tmp_path / "lab.lock").artefacts) == set(lock.artefacts)
    assert {a.path for a in lock.of(Kind.BIN, Kind.IMAGES)} == {"bin/kubeadm", "images/pause.tar"}


@pytest.mark.parametrize("content", [None, "not JSON", '{"version": 0}'])
def test_a_lock_that_cannot_be_read_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "lab.lock").write_text(content)
    with pytest.raises(UsageError):
        read_lock(tmp_path / "lab.lock")


def test_every_difference_is_named_at_once() -> None:
    wanted = [artefact("bin/kubeadm"), artefact("bin/kubelet"), artefact("deb/a.deb")]
    found = [artefact("bin/kubelet", "1" * 64), artefact("deb/a.deb"), artefact("bin/helm")]
    differences = compare(wanted, found)
    assert [(d.path, d.fault) for d in differences] == [
        ("bin/helm", Fault.UNKNOWN),
        ("bin/kubeadm", Fault.MISSING),
        ("bin/kubelet", Fault.WRONG),
    ]
    assert "http://example.org/x" in str(differences[1])
    assert compare(wanted, wanted) == []


def test_a_bundle_holds_what_it_says(file: Path, top: Path, tmp_path: Path) -> None:
    assert {a.path for a in bundle.read_manifest(file)} == set(FILES)
    assert bundle.damage(file) == []
    bundle.unpack(file, tmp_path / "out", Kind.DEB, Kind.CHARTS)
    unpacked = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert unpacked == {"deb/bird2.deb", "charts/a/b.tgz"}


def test_a_bundle_is_the_same_bytes_every_time(file: Path, top: Path, tmp_path: Path) -> None:
    bundle.write(tmp_path / "again", top, describe(top, Kind))
    assert (tmp_path / "again").read_bytes() == file.read_bytes()


def test_damage_is_found_file_by_file(file: Path, tmp_path: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data.replace(b"bird\0", b"byrd\0"))
    (difference,) = bundle.damage(file)
    assert (difference.path, difference.fault) == ("deb/bird2.deb", Fault.WRONG)


def test_a_file_added_and_a_file_taken_out_are_found(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with tarfile.open(file) as old, tarfile.open(other, "w") as new:
        for member in old:
            if member.name == "bin/kubeadm":
                member.name = "bin/evil"
            new.addfile(member, old.extractfile(member))
    assert {(d.path, d.fault) for d in bundle.damage(other)} == {
        ("bin/evil", Fault.UNKNOWN),
        ("bin/kubeadm", Fault.MISSING),
    }


@pytest.mark.parametrize("content", [None, b"", b"not a tar archive", b"x" * 2048])
def test_what_is_no_bundle_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError):
        bundle.read_manifest(file)


def test_a_cut_bundle_lacks_what_was_cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:3000])
    assert {difference.fault for difference in bundle.damage(file)} == {Fault.MISSING}


def test_nothing_is_unpacked_outside(tmp_path: Path) -> None:
    file = tmp_path / "file"
    manifest = json.dumps({"version": 1, "artefacts": []}).encode()
    (tmp_path / "evil").write_bytes(b"evil")
    (tmp_path / "manifest.json").write_bytes(manifest)
    with tarfile.open(file, "w") as archive:
        archive.add(tmp_path / "manifest.json", "manifest.json")
        archive.add(tmp_path / "evil", "deb/../../escaped")
    bundle.unpack(file, tmp_path / "out/below", Kind.DEB)
    assert not (tmp_path / "escaped").exists()
