"""Volumes of a pod."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lab.pocket.api import field, names, quantity
from lab.pocket.api.field import FieldError
from lab.pocket.api.validation.containers import field_reference_errors
from lab.pocket.api.validation.rules import named

__all__ = ["volumes_errors"]

Object = dict[str, Any]
_HOST_PATHS = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
_SHORTEST_TOKEN, _LONGEST_TOKEN = 600, 2**32


def volumes_errors(spec: Object, path: str) -> Iterator[FieldError]:
    """Yield what is wrong with the volumes of a pod spec at `path`."""
    taken: set[str] = set()
    for index, volume in enumerate(spec.get("volumes", ())):
        where, name = f"{path}.volumes[{index}]", volume.get("name", "")
        sources = [source for source in volume if source != "name"]
        for extra in sources[1:]:
            yield field.forbidden(f"{where}.{extra}", "may not specify more than 1 volume type")
        if sources and sources[0] in _SOURCES:
            yield from _SOURCES[sources[0]](volume[sources[0]], spec, f"{where}.{sources[0]}")
        yield from named(name, names.dns_label, f"{where}.name")
        if name and name in taken:
            yield field.duplicate(f"{where}.name", name)
        taken.add(name)


def _empty_dir(source: Object, _spec: Object, path: str) -> Iterator[FieldError]:
    if quantity.parse(source.get("sizeLimit", "0")) < 0:
        yield field.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _host_path(source: Object, _spec: Object, path: str) -> Iterator[FieldError]:
    target, kind = source.get("path", ""), source.get("type", "")
    if not target:
        yield field.required(f"{path}.path")
    elif ".." in target.split("/"):
        yield field.invalid(f"{path}.path", target, "must not contain '..'")
    if kind not in _HOST_PATHS:
        yield field.not_supported(f"{path}.type", kind, _HOST_PATHS)


def _reference(name: str) -> Callable[[Object, Object, str], Iterator[FieldError]]:
    """Return the rule for a config map or a secret, named by the field `name`."""

    def errors(source: Object, _spec: Object, path: str) -> Iterator[FieldError]:
        if not source.get(name):
            yield field.required(f"{path}.{name}")
        yield from _mode(source.get("defaultMode"), f"{path}.defaultMode")
        yield from _items(source, path)

    return errors


def _items(source: Object, path: str) -> Iterator[FieldError]:
    for index, item in enumerate(source.get("items", ())):
        where = f"{path}.items[{index}]"
        if not item.get("key"):
            yield field.required(f"{where}.key")
        yield from _relative(item.get("path", ""), f"{where}.path")
        yield from _mode(item.get("mode"), f"{where}.mode")


def _mode(mode: int | None, path: str) -> Iterator[FieldError]:
    if mode is not None and not 0 <= mode <= 0o777:
        yield field.invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive")


def _relative(target: str, path: str) -> Iterator[FieldError]:
    if not target:
        yield field.required(path)
    if target.startswith("/"):
        yield field.invalid(path, target, "must be a relative path")
    if ".." in target.split("/"):
        yield field.invalid(path, target, "must not contain '..'")
    elif target.startswith(".."):
        yield field.invalid(path, target, "must not start with '..'")


def _downward(source: Object, _spec: Object, path: str) -> Iterator[FieldError]:
    yield from _mode(source.get("defaultMode"), f"{path}.defaultMode")
    for item in source.get("items", ()):
        yield from _relative(item.get("path", ""), f"{path}.path")
        if "fieldRef" in item:
            yield from field_reference_errors(item["fieldRef"], f"{path}.fieldRef")
        elif "resourceFieldRef" not in item:
            yield field.required(path, "one of fieldRef and resourceFieldRef is required")


def _projected(source: Object, spec: Object, path: str) -> Iterator[FieldError]:
    yield from _mode(source.get("defaultMode"), f"{path}.defaultMode")
    for index, one in enumerate(source.get("sources") or ()):
        where = f"{path}.sources[{index}]"
        for name in {"configMap", "secret"} & one.keys():
            if not one[name].get("name"):
                yield field.required(f"{where}.{name}.name")
            yield from _items(one[name], f"{where}.{name}")
        if "downwardAPI" in one:
            yield from _downward(one["downwardAPI"], spec, f"{where}.downwardAPI")
        if "serviceAccountToken" in one:
            yield from _token(one["serviceAccountToken"], spec, f"{where}.serviceAccountToken", path)


def _token(token: Object, spec: Object, path: str, volume: str) -> Iterator[FieldError]:
    if not spec.get("serviceAccountName"):
        yield field.forbidden(path, "must not be specified when serviceAccountName is not set")
    seconds = token.get("expirationSeconds", 0)
    if seconds < _SHORTEST_TOKEN:
        yield field.invalid(
            f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"
        )
    elif seconds > _LONGEST_TOKEN:
        yield field.invalid(
            f"{path}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds"
        )
    if not token.get("path"):
        yield field.required(f"{volume}.path")


def _nfs(source: Object, _spec: Object, path: str) -> Iterator[FieldError]:
    target = source.get("path", "")
    for name in ("server", "path"):
        if not source.get(name):
            yield field.required(f"{path}.{name}")
    if not target.startswith("/"):
        yield field.invalid(f"{path}.path", target, "must be an absolute path")


def _claim(source: Object, _spec: Object, path: str) -> Iterator[FieldError]:
    if not source.get("claimName"):
        yield field.required(f"{path}.claimName")


_SOURCES: dict[str, Callable[[Object, Object, str], Iterator[FieldError]]] = {
    "configMap": _reference("name"),
    "downwardAPI": _downward,
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "nfs": _nfs,
    "persistentVolumeClaim": _claim,
    "projected": _projected,
    "secret": _reference("secretName"),
}
