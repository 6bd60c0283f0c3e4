from __future__ import annotations

import io
import os
import stat
import tarfile

import orjson
import pytest

from lab.errors import UsageError
from lab.pocket.agent.archive import load
from lab.pocket.agent.builtin import built_in
from lab.pocket.agent.errors import ImageUnknown
from lab.pocket.agent.images import Images, canonical, familiar, repository


@pytest.mark.parametrize(
    ("reference", "full", "short"),
    [
        ("nginx", "docker.io/library/nginx:latest", "nginx"),
        ("nginx:1.27", "docker.io/library/nginx:1.27", "nginx:1.27"),
        ("user/app", "docker.io/user/app:latest", "user/app"),
        ("quay.io/metallb/speaker:v0.15", "quay.io/metallb/speaker:v0.15", "quay.io/metallb/speaker:v0.15"),
        ("localhost/x", "localhost/x:latest", "localhost/x"),
        ("reg:5000/x", "reg:5000/x:latest", "reg:5000/x"),
        ("nginx@sha256:00", "docker.io/library/nginx@sha256:00", "nginx@sha256:00"),
    ],
)
def test_references(reference, full, short):
    assert canonical(reference) == full
    assert familiar(full) == short


def test_repositories_have_neither_tag_nor_digest():
    assert (
        repository("nginx:1.27")
        == repository("docker.io/library/nginx@sha256:00")
        == "docker.io/library/nginx"
    )


def layer(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        root = tarfile.TarInfo(".")
        root.type = tarfile.DIRTYPE
        tar.addfile(root)
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


CONFIG = {
    "config": {"Cmd": ["/app"], "Env": ["A=1"], "User": "5"},
    "rootfs": {"diff_ids": ["sha256:low", "sha256:high"]},
}
LAYERS = [layer(app=b"old", gone=b"x"), layer(app=b"new", **{".wh.gone": b""})]


def archive(path, files: dict[str, bytes]):
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def docker(path):
    manifest = [
        {"Config": "c0ffee.json", "RepoTags": ["shop/app:v1"], "Layers": ["a/layer.tar", "b/layer.tar"]}
    ]
    return archive(
        path,
        {
            "manifest.json": orjson.dumps(manifest),
            "c0ffee.json": orjson.dumps(CONFIG),
            "a/layer.tar": LAYERS[0],
            "b/layer.tar": LAYERS[1],
        },
    )


def oci(path):
    manifest = {
        "config": {"digest": "sha256:c0ffee"},
        "layers": [{"digest": "sha256:l0"}, {"digest": "sha256:l1"}],
    }
    index = {
        "manifests": [
            {"digest": "sha256:m", "annotations": {"org.opencontainers.image.ref.name": "shop/app:v1"}}
        ]
    }
    blobs = {"c0ffee": orjson.dumps(CONFIG), "m": orjson.dumps(manifest), "l0": LAYERS[0], "l1": LAYERS[1]}
    return archive(
        path,
        {"oci-layout": b"{}", "index.json": orjson.dumps(index)}
        | {f"blobs/sha256/{name}": blob for name, blob in blobs.items()},
    )


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="whiteouts are device nodes")
@pytest.mark.parametrize("make", [docker, oci])
def test_archives_are_loaded(tmp_path, make):
    store = Images(tmp_path / "store")
    store.directory.mkdir()
    assert load(make(tmp_path / "image.tar"), store) == ["shop/app:v1"]
    image = store.find("shop/app:v1")
    assert (image.command, image.environment, image.user, image.id) == (
        ("/app",),
        {"A": "1"},
        "5",
        "sha256:c0ffee",
    )
    high, low = image.layers
    assert ((high / "app").read_bytes(), (low / "app").read_bytes()) == (b"new", b"old")
    assert stat.S_ISCHR((high / "gone").stat().st_mode)
    assert store.names() == ["shop/app:v1"]


@pytest.mark.parametrize("content", [b"", b"not a tar", None])
def test_what_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "x.tar"
    if content is None:
        archive(path, {"hello": b"world"})
    else:
        path.write_bytes(content)
    with pytest.raises(UsageError, match="is not an image archive"):
        load(path, Images(tmp_path))


def test_a_layer_cannot_leave_its_directory(tmp_path):
    evil = io.BytesIO()
    with tarfile.open(fileobj=evil, mode="w") as tar:
        link = tarfile.TarInfo("out")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("out/../../escaped"))
        tar.addfile(tarfile.TarInfo("out/escaped"))
    config = CONFIG | {"rootfs": {"diff_ids": ["sha256:evil"]}}
    manifest = [{"Config": "c.json", "RepoTags": ["evil"], "Layers": ["l"]}]
    path = archive(
        tmp_path / "x.tar",
        {"manifest.json": orjson.dumps(manifest), "c.json": orjson.dumps(config), "l": evil.getvalue()},
    )
    with pytest.raises(UsageError, match="leaves the image"):
        load(path, Images(tmp_path / "store"))
    assert not (tmp_path / "escaped").exists()


def test_an_unknown_image_names_what_there_is(tmp_path):
    store = Images(tmp_path, built_in(tmp_path / "built-in"))
    with pytest.raises(ImageUnknown, match=r'image "mysql:8" is not on this node .* there is: .*busybox'):
        store.find("mysql:8")


@pytest.mark.parametrize(
    "reference", ["busybox", "busybox:1.36", "docker.io/library/alpine:3", "curlimages/curl:8"]
)
def test_built_in_images_answer_to_any_tag(tmp_path, reference):
    assert Images(tmp_path, built_in(tmp_path / "built-in")).find(reference).id == "built-in:tools"


def test_the_skeleton_has_no_secrets(tmp_path):
    built_in(tmp_path)
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert not [name for name in names if "shadow" in name or "kubernetes" in name or "private" in name]
