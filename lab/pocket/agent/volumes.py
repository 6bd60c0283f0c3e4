"""What is in a pod's volumes, and how they get into its containers.

https://kubernetes.io/docs/concepts/storage/volumes/. Contents are pure data; `write` puts them on the node so that a
reader sees all of the old files or all of the new ones (the links of kubelet's AtomicWriter).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from lab.kube.resources import Json
from lab.pocket.agent.bundle import Mount
from lab.pocket.agent.environment import References, field_value, resource_value, text_of
from lab.pocket.agent.errors import ConfigError

DEFAULT_MODE: Final = 0o644
FILE_KINDS: Final = frozenset({"configMap", "secret", "downwardAPI", "projected"})


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    mode: int = DEFAULT_MODE


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A service account token that a projected volume wants."""

    audience: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Sources:
    """What volumes are filled from."""

    node: Json
    references: References
    tokens: Mapping[TokenRequest, str]


def referenced(pod: Json) -> tuple[set[str], set[str]]:
    """Return the names of the ConfigMaps and of the Secrets that a pod refers to anywhere."""
    config_maps, secrets = set[str](), set[str]()
    for container in (*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())):
        entries = [entry.get("valueFrom") or {} for entry in container.get("env") or ()]
        for source in (*entries, *(container.get("envFrom") or ())):
            config_maps |= {source[k]["name"] for k in ("configMapRef", "configMapKeyRef") if k in source}
            secrets |= {source[k]["name"] for k in ("secretRef", "secretKeyRef") if k in source}
    for volume in pod["spec"].get("volumes") or ():
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            if "configMap" in source:
                config_maps.add(source["configMap"]["name"])
            if "secret" in source:
                secrets.add(source["secret"].get("secretName") or source["secret"]["name"])
    return config_maps, secrets


def token_requests(pod: Json) -> set[TokenRequest]:
    """Return the tokens that a pod's projected volumes want."""
    return {
        _token_request(source["serviceAccountToken"])
        for volume in pod["spec"].get("volumes") or ()
        for source in (volume.get("projected") or {}).get("sources") or ()
        if "serviceAccountToken" in source
    }


def _token_request(source: Json) -> TokenRequest:
    return TokenRequest(source.get("audience", ""), source.get("expirationSeconds", 3600))


def contents(pod: Json, volume: Json, sources: Sources) -> dict[str, File]:
    """Return the files of a volume of one of FILE_KINDS by path; raises ConfigError for what is missing."""
    if projected := volume.get("projected"):
        mode = projected.get("defaultMode", DEFAULT_MODE)
        found: dict[str, File] = {}
        for source in projected.get("sources") or ():
            found |= _of_source(pod, source, sources, mode)
        return found
    kind = next(kind for kind in volume if kind in FILE_KINDS)
    return _of_source(pod, volume, sources, volume[kind].get("defaultMode", DEFAULT_MODE))


def _of_source(pod: Json, source: Json, sources: Sources, mode: int) -> dict[str, File]:
    if "configMap" in source:
        known = sources.references.config_maps
        return _of_map("configmap", source["configMap"], source["configMap"]["name"], known, mode)
    if "secret" in source:
        name = source["secret"].get("secretName") or source["secret"]["name"]
        return _of_map("secret", source["secret"], name, sources.references.secrets, mode)
    if "downwardAPI" in source:
        items = source["downwardAPI"].get("items") or ()
        return {item["path"]: _downward(pod, item, sources.node, mode) for item in items}
    if token := source.get("serviceAccountToken"):
        return {token["path"]: File(sources.tokens[_token_request(token)].encode(), mode)}
    raise ConfigError(f"a projected volume with {sorted(source)} is not supported")


def _of_map(kind: str, source: Json, name: str, known: Mapping[str, Json], mode: int) -> dict[str, File]:
    if name not in known:
        if source.get("optional"):
            return {}
        raise ConfigError(f'{kind} "{name}" not found')
    data = text_of(known[name])
    if "items" not in source:
        return {key: File(content, mode) for key, content in data.items()}
    found = {}
    for item in source["items"]:
        if item["key"] not in data and not source.get("optional"):
            raise ConfigError(f"references non-existent {kind} key: {item['key']}")
        if item["key"] in data:
            found[item["path"]] = File(data[item["key"]], item.get("mode", mode))
    return found


def _downward(pod: Json, item: Json, node: Json, mode: int) -> File:
    if "fieldRef" in item:
        text = field_value(pod, item["fieldRef"]["fieldPath"], node)
    else:
        reference = item["resourceFieldRef"]
        container = next(c for c in pod["spec"]["containers"] if c["name"] == reference["containerName"])
        text = resource_value(container, reference, node)
    return File(text.encode(), item.get("mode", mode))


def write(directory: Path, files: Mapping[str, File], *, group: int | None = None) -> bool:
    """Make `directory` show exactly `files`; False when it did already.

    `..data` is a link to a directory with all files; each visible name is a link through it. One rename changes all.
    """
    data = directory / "..data"
    if _read(data) == {path: file.content for path, file in files.items()}:
        return False
    directory.mkdir(parents=True, exist_ok=True)
    number = len(list(directory.glob("..[0-9]*")))
    fresh = directory / f"..{number}_{os.urandom(4).hex()}"
    for path, file in files.items():
        target = fresh / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(file.mode | (0o040 if group is not None else 0))
        if group is not None:
            os.chown(target, -1, group)
    fresh.mkdir(parents=True, exist_ok=True)
    old = data.resolve() if data.exists() else None
    link = directory / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    link.replace(data)
    _link_names(directory, {PurePosixPath(path).parts[0] for path in files})
    if old:
        shutil.rmtree(old, ignore_errors=True)
    return True


def _link_names(directory: Path, names: Iterable[str]) -> None:
    wanted = set(names)
    for path in directory.iterdir():
        if not path.name.startswith("..") and path.name not in wanted:
            path.unlink()
    for name in wanted:
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(f"..data/{name}")


def _read(data: Path) -> dict[str, bytes] | None:
    if not data.exists():
        return None
    root = data.resolve()
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def prepare(volume: Json, directory: Path, *, group: int | None) -> Path:
    """Make a volume that has no files of its own and return where it is; raises ConfigError for unknown kinds."""
    if host := volume.get("hostPath"):
        return _host_path(host)
    if "emptyDir" in volume:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o2777 if group is not None else 0o777)
        if group is not None:
            os.chown(directory, -1, group)
        return directory
    kinds = sorted(volume.keys() - {"name"})
    raise ConfigError(f"volume {volume['name']}: {', '.join(kinds)} is not supported by this node agent")


def _host_path(host: Mapping[str, Any]) -> Path:
    path, kind = Path(host["path"]), host.get("type") or ""
    if kind == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True)
    elif kind == "FileOrCreate":
        path.touch()
    checks = {
        "Directory": path.is_dir,
        "DirectoryOrCreate": path.is_dir,
        "File": path.is_file,
        "FileOrCreate": path.is_file,
        "Socket": path.is_socket,
        "CharDevice": path.is_char_device,
        "BlockDevice": path.is_block_device,
    }
    if kind and not checks[kind]():
        raise ConfigError(f"hostPath type check failed: {path} is not a {kind}")
    return path


def mounts(container: Json, places: Mapping[str, Path], variables: Mapping[str, str]) -> list[Mount]:
    """Return the container's mounts; subdirectories are made where they are missing."""
    found = []
    for mount in container.get("volumeMounts") or ():
        source = places.get(mount["name"])
        if source is None:
            raise ConfigError(f"volume {mount['name']} is not defined")
        inner = mount.get("subPath") or _expanded(mount.get("subPathExpr", ""), variables)
        if inner:
            source = source / inner
            if not source.exists():
                source.mkdir(parents=True)
        propagation = {"HostToContainer": "rslave", "Bidirectional": "rshared"}.get(
            mount.get("mountPropagation", ""), "rprivate"
        )
        found.append(Mount(str(source), mount["mountPath"], bool(mount.get("readOnly")), propagation))
    return found


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    for name, value in variables.items():
        text = text.replace(f"$({name})", value)
    return text
