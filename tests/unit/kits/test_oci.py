from __future__ import annotations

import hashlib
import io
import json
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lab.errors import UsageError
from lab.kits import oci

LINK = oci.Entry(mode=stat.S_IFLNK | 0o777, target="a")


def read(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {m.name: file.read() for m in tar if (file := tar.extractfile(m))}


def members(archive: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getmembers()


def image(**changes: Any) -> oci.Image:
    layer = oci.tar({"app": oci.file(b"x")}, mtime=7)
    basics: dict[str, Any] = {
        "reference": "localhost/app:1",
        "architecture": "arm64",
        "created": 86400,
        "layers": [("below", layer), ("above", oci.tar({}, mtime=7))],
        "config": {"Cmd": ["/app"]},
    }
    return oci.Image(**basics | changes)


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ({"manifest.json": [{"RepoTags": ["a:1", "b:2"]}, {"RepoTags": None}]}, ["a:1", "b:2"]),
        ({"manifest.json": [{"RepoTags": ["a:1"]}], "index.json": {}}, ["a:1"]),
        ({"./index.json": {"manifests": [{"annotations": {oci.REFERENCE: "a:1"}}, {}]}}, ["a:1"]),
        (
            {
                "index.json": {
                    "manifests": [{"annotations": {oci.REFERENCE: "1", oci.CONTAINERD_REFERENCE: "a:1"}}]
                }
            },
            ["a:1"],
        ),
    ],
    ids=["docker", "both", "layout", "containerd"],
)
def test_the_names_of_images_are_read(files: dict[str, Any], names: list[str], tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    content = {name: oci.file(json.dumps(text).encode()) for name, text in files.items()}
    archive.write_bytes(oci.tar(content, mtime=0))
    assert oci.references(archive) == names


def test_our_own_archive_has_its_name(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(oci.archive(image()))
    assert oci.references(tmp_path / "image.tar") == ["localhost/app:1"]


@pytest.mark.parametrize("content", [None, b"", b"no tar", oci.tar({"a": oci.file(b"")}, mtime=0)])
def test_what_is_no_archive_of_images_is_refused(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "image.tar").write_bytes(content)
    with pytest.raises(UsageError, match="not an image archive"):
        oci.references(tmp_path / "image.tar")


def test_a_layer_has_every_directory_above_its_entries() -> None:
    entries = {
        "usr/bin/b": LINK,
        "usr/bin/a": oci.file(b"1", mode=0o755, mtime=3),
        "tmp": oci.directory(mode=0o1777),
    }
    found = [(m.name, m.type, m.mode, m.mtime, m.linkname) for m in members(oci.tar(entries, mtime=9))]
    assert found == [
        ("tmp", tarfile.DIRTYPE, 0o1777, 9, ""),
        ("usr", tarfile.DIRTYPE, 0o755, 9, ""),
        ("usr/bin", tarfile.DIRTYPE, 0o755, 9, ""),
        ("usr/bin/a", tarfile.REGTYPE, 0o755, 3, ""),
        ("usr/bin/b", tarfile.SYMTYPE, 0o777, 9, "a"),
    ]


def test_everything_belongs_to_root() -> None:
    owners = {(m.uid, m.gid, m.uname, m.gname) for m in members(oci.archive(image()))}
    assert owners == {(0, 0, "", "")}


def test_the_order_of_entries_does_not_matter() -> None:
    entries = {"b": oci.file(b"2"), "a/c": oci.file(b"1"), "a": oci.directory()}
    assert oci.tar(entries, mtime=0) == oci.tar(dict(reversed(entries.items())), mtime=0)


def test_every_digest_and_size_is_that_of_its_blob() -> None:
    files = read(oci.archive(image()))
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(files["index.json"])["manifests"]
    manifest = json.loads(files[f"blobs/{entry['digest'].replace(':', '/')}"])
    for blob in (entry, manifest["config"], *manifest["layers"]):
        content = files[f"blobs/{blob['digest'].replace(':', '/')}"]
        assert blob["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert blob["size"] == len(content)
    assert len(files) == 2 + 1 + 1 + len(manifest["layers"])


def test_what_runtimes_read() -> None:
    files = read(oci.archive(image()))
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert set(entry["annotations"].values()) == {"localhost/app:1"}
    assert entry["platform"] == {"architecture": "arm64", "os": "linux"}
    manifest = json.loads(files[f"blobs/{entry['digest'].replace(':', '/')}"])
    config = json.loads(files[f"blobs/{manifest['config']['digest'].replace(':', '/')}"])
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
    assert config["config"] == {"Cmd": ["/app"]}
    assert config["created"] == "1970-01-02T00:00:00Z"
    assert [each["created_by"] for each in config["history"]] == ["below", "above"]
