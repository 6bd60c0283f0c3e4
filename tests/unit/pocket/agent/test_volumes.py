from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.kube.resources import Json
from lab.pocket.agent.environment import References
from lab.pocket.agent.errors import ConfigError
from lab.pocket.agent.volumes import (
    File,
    Sources,
    TokenRequest,
    contents,
    mounts,
    prepare,
    referenced,
    token_requests,
    write,
)

CONFIG: Json = {"kind": "ConfigMap", "data": {"a": "1", "b": "2"}}
SECRET: Json = {"kind": "Secret", "data": {"key": "a2V5"}}
TOKEN = TokenRequest("", 3607)
POD: Json = {
    "metadata": {"name": "p", "namespace": "d", "uid": "u", "labels": {"x": "y"}},
    "spec": {"containers": []},
}
SOURCES = Sources({}, References({"conf": CONFIG}, {"sec": SECRET}), {TOKEN: "tok"})
ACCOUNT: Json = {
    "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "conf", "items": [{"key": "a", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
}


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({"configMap": {"name": "conf"}}, {"a": b"1", "b": b"2"}),
        ({"configMap": {"name": "conf", "items": [{"key": "a", "path": "dir/one"}]}}, {"dir/one": b"1"}),
        ({"configMap": {"name": "none", "optional": True}}, {}),
        ({"secret": {"secretName": "sec"}}, {"key": b"key"}),
        (
            {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"labels": b'x="y"'},
        ),
        ({"projected": ACCOUNT}, {"token": b"tok", "ca.crt": b"1", "namespace": b"d"}),
    ],
)
def test_contents(volume, expected):
    assert {path: file.content for path, file in contents(POD, volume, SOURCES).items()} == expected


def test_modes():
    volume = {
        "secret": {
            "secretName": "sec",
            "defaultMode": 0o400,
            "items": [{"key": "key", "path": "k", "mode": 0o440}],
        }
    }
    assert contents(POD, volume, SOURCES) == {"k": File(b"key", 0o440)}
    assert (
        contents(POD, {"secret": {"secretName": "sec", "defaultMode": 0o400}}, SOURCES)["key"].mode == 0o400
    )


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        ({"configMap": {"name": "none"}}, 'configmap "none" not found'),
        ({"secret": {"secretName": "none"}}, 'secret "none" not found'),
        (
            {"configMap": {"name": "conf", "items": [{"key": "z", "path": "z"}]}},
            "non-existent configmap key: z",
        ),
        ({"projected": {"sources": [{"clusterTrustBundle": {}}]}}, "not supported"),
    ],
)
def test_what_is_missing_is_named(volume, words):
    with pytest.raises(ConfigError, match=words):
        contents(POD, volume, SOURCES)


def visible(directory: Path) -> dict[str, str]:
    return {
        path.name: path.read_text()
        for path in directory.iterdir()
        if not path.name.startswith("..") and path.is_file()
    }


def test_files_change_all_at_once(tmp_path):
    directory = tmp_path / "volume"
    assert write(directory, {"a": File(b"1"), "gone": File(b"x"), "sub/b": File(b"2", 0o600)})
    before = (directory / "..data").resolve()
    assert visible(directory) == {"a": "1", "gone": "x"}
    assert (directory / "sub/b").read_text() == "2"
    assert (directory / "sub/b").stat().st_mode & 0o777 == 0o600
    assert write(directory, {"a": File(b"new"), "sub/b": File(b"2")})
    assert visible(directory) == {"a": "new"}
    assert not before.exists()
    assert not write(directory, {"a": File(b"new"), "sub/b": File(b"2")})


def test_an_empty_volume_is_a_directory(tmp_path):
    assert write(tmp_path / "v", {}) is True
    assert visible(tmp_path / "v") == {}


@pytest.mark.parametrize(
    ("kind", "existing", "fine"),
    [("", "none", True), ("Directory", "directory", True), ("Directory", "none", False), ("DirectoryOrCreate", "none", True), ("File", "directory", False), ("FileOrCreate", "none", True)],
)  # fmt: skip
def test_host_paths(tmp_path, kind, existing, fine):
    path = tmp_path / "x"
    if existing == "directory":
        path.mkdir()
    volume = {"name": "v", "hostPath": {"path": str(path), "type": kind}}
    if fine:
        assert prepare(volume, tmp_path / "unused", group=None) == path
    else:
        with pytest.raises(ConfigError, match="hostPath type check failed"):
            prepare(volume, tmp_path / "unused", group=None)


def test_empty_directories_are_open_to_all(tmp_path):
    made = prepare({"name": "v", "emptyDir": {}}, tmp_path / "v", group=None)
    assert made.stat().st_mode & 0o777 == 0o777


def test_other_kinds_are_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match="persistentVolumeClaim is not supported"):
        prepare({"name": "v", "persistentVolumeClaim": {"claimName": "c"}}, tmp_path, group=None)


def test_mounts(tmp_path):
    container: dict[str, Any] = {
        "volumeMounts": [
            {"name": "v", "mountPath": "/a", "readOnly": True},
            {"name": "v", "mountPath": "/b", "subPath": "deep/er"},
            {"name": "v", "mountPath": "/c", "subPathExpr": "$(POD)", "mountPropagation": "Bidirectional"},
        ]
    }
    found = mounts(container, {"v": tmp_path}, {"POD": "p1"})
    assert [(m.source, m.target, m.read_only, m.propagation) for m in found] == [
        (str(tmp_path), "/a", True, "rprivate"),
        (str(tmp_path / "deep/er"), "/b", False, "rprivate"),
        (str(tmp_path / "p1"), "/c", False, "rshared"),
    ]
    assert (tmp_path / "deep/er").is_dir()
    with pytest.raises(ConfigError, match="volume w is not defined"):
        mounts({"volumeMounts": [{"name": "w", "mountPath": "/"}]}, {}, {})


def test_everything_referred_to_is_found():
    container = {
        "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c1", "key": "k"}}}],
        "envFrom": [{"secretRef": {"name": "s1"}}],
    }
    volumes = [
        {"name": "v", "configMap": {"name": "c2"}},
        {"name": "w", "secret": {"secretName": "s2"}},
        {"name": "x", "projected": ACCOUNT},
    ]
    pod = {"spec": {"containers": [container], "initContainers": [], "volumes": volumes}}
    assert referenced(pod) == ({"c1", "c2", "conf"}, {"s1", "s2"})
    assert token_requests(pod) == {TOKEN}
