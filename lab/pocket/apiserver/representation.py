"""How objects are shown: whole, as a Table, or as metadata alone; chosen by the Accept header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache

import orjson
from aiohttp import web

from lab.pocket.api import tables
from lab.pocket.apiserver.errors import not_acceptable
from lab.pocket.apiserver.registry import Resource
from lab.pocket.apiserver.state import Call, shared
from lab.pocket.store import Object, Row

META_GROUP = "meta.k8s.io"


class Form(StrEnum):
    WHOLE = ""
    TABLE = "Table"
    METADATA = "PartialObjectMetadata"
    METADATA_LIST = "PartialObjectMetadataList"


@dataclass(frozen=True, slots=True)
class Representation:
    form: Form
    version: str = "v1"  # of meta.k8s.io

    @property
    def content_type(self) -> str:
        if self.form is Form.WHOLE:
            return "application/json"
        return f"application/json;as={self.form};v={self.version};g={META_GROUP}"


WHOLE = Representation(Form.WHOLE)
ANSWERED_ONCE = frozenset({"binding", "eviction", "token"})


@lru_cache(maxsize=256)
def negotiate(accept: str, *, whole_only: bool = False) -> Representation:
    """Choose a representation for an Accept header; clients list them in the order they like.

    What is answered once and never stored has no table and no metadata of its own: `whole_only`.

    Raises:
        StatusError: 406, when none can be given.

    """
    for clause in accept.split(",") if accept.strip() else ["*/*"]:
        media_type, *pairs = (part.strip() for part in clause.split(";"))
        if media_type not in {"application/json", "application/*", "*/*"}:
            continue
        parameters = dict(pair.partition("=")[::2] for pair in pairs)
        form, version = parameters.get("as", ""), parameters.get("v", "v1")
        if not form:
            return WHOLE
        if (
            not whole_only
            and form in set(Form)
            and parameters.get("g") == META_GROUP
            and version in {"v1", "v1beta1"}
        ):
            return Representation(Form(form), version)
    raise not_acceptable()


def of(call: Call) -> Representation:
    whole_only = not call.resource.stored or call.info.subresource in ANSWERED_ONCE
    return negotiate(call.request.headers.get("Accept", ""), whole_only=whole_only)


def encoded(resource: Resource, row: Row) -> bytes:
    """Return a row's JSON in the version asked for: versions of a custom resource differ by their name only."""
    if not resource.custom or resource.version == resource.storage_version:
        return row.data
    return orjson.dumps(shared(row) | {"apiVersion": resource.api_version})


def one(call: Call, row: Row) -> bytes:
    """Return one object as asked for."""
    wanted = of(call)
    if wanted.form is Form.WHOLE:
        return encoded(call.resource, row)
    return orjson.dumps(shown(call, wanted, [row], {"resourceVersion": str(row.revision)}))


def shown(call: Call, wanted: Representation, rows: Sequence[Row], metadata: Object) -> Object:
    """Return rows as a Table or as metadata: an object for one row, for more a list (METADATA_LIST)."""
    objects = [shared(row) for row in rows]
    api_version = f"{META_GROUP}/{wanted.version}"
    if wanted.form is Form.TABLE:
        return _table(call, objects, api_version) | {"metadata": metadata}
    partial = [
        {"kind": "PartialObjectMetadata", "apiVersion": api_version, "metadata": obj["metadata"]}
        for obj in objects
    ]
    if wanted.form is Form.METADATA:
        return (
            partial[0] if partial else {"kind": wanted.form, "apiVersion": api_version, "metadata": metadata}
        )
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": api_version,
        "metadata": metadata,
        "items": partial,
    }


def _table(call: Call, objects: Sequence[Object], api_version: str) -> Object:
    version, scale = call.resource.custom, call.info.subresource == "scale"
    columns = None if version is None or scale else version.get("additionalPrinterColumns") or []
    include = call.query.get("includeObject", "Metadata")
    kind, now = "Scale" if scale else call.resource.kind, datetime.now(UTC)
    return tables.table(objects, kind=kind, now=now, custom=columns, include=include, api_version=api_version)


def listed(call: Call, rows: Sequence[Row], metadata: Object) -> bytes:
    """Return a list as asked for; whole objects are joined as they were encoded when they were written."""
    wanted = of(call)
    if wanted.form is not Form.WHOLE:
        return orjson.dumps(shown(call, wanted, rows, metadata))
    resource = call.resource
    head = {"kind": resource.list_name, "apiVersion": resource.api_version, "metadata": metadata}
    items = b",".join([encoded(resource, row) for row in rows])
    return b'%b,"items":[%b]}\n' % (orjson.dumps(head)[:-1], items)


def answer(call: Call, body: bytes, *, status: int = 200) -> web.Response:
    """Return a response with a body in the representation that the call asked for."""
    return web.Response(body=body, status=status, headers={"Content-Type": of(call).content_type})


def answer_object(call: Call, obj: Object, *, status: int = 200) -> web.Response:
    """Return an object that the call just wrote, or would have written."""
    if of(call).form is Form.WHOLE:
        return answer(call, orjson.dumps(_in_version(call.resource, obj)), status=status)
    row = Row(call.key, int(obj["metadata"].get("resourceVersion") or 0), orjson.dumps(obj))
    return answer(call, one(call, row), status=status)


def answer_status(*, code: int = 200, details: Object | None = None) -> web.Response:
    """Return a Status that says that all went well."""
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details:
        status["details"] = details
    if code != 200:
        status["code"] = code
    return web.Response(body=orjson.dumps(status), status=code, content_type="application/json")


def _in_version(resource: Resource, obj: Object) -> Object:
    if resource.custom and obj["kind"] == resource.kind:
        return obj | {"apiVersion": resource.api_version}
    return obj
