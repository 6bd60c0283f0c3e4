"""serviceaccounts/token: TokenRequest."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from lab.pocket.apiserver import bodies, metadata, node_restriction, processing, representation
from lab.pocket.apiserver.authentication import BOUND_KINDS, claims_for
from lab.pocket.apiserver.errors import About, StatusError, bad_request, cause, conflict, invalid, not_found
from lab.pocket.apiserver.state import Call, shared
from lab.pocket.apiserver.verbs.creating import check_kind
from lab.pocket.store import Key, Object
from lab.pocket.tokens import ISSUER

DEFAULT_SECONDS, SHORTEST, LONGEST = 3600, 600, 1 << 32


async def create(call: Call) -> web.StreamResponse:
    """Issue a token for a ServiceAccount, perhaps bound to a Pod, a Secret or a Node."""
    request = await bodies.read_object(call.request)
    check_kind(call, request, kind="TokenRequest", api_version="authentication.k8s.io/v1")
    request = processing.process_request(call, request)
    account, spec = shared(call.latest()), request["spec"]
    node_restriction.check_token(call, spec)
    audiences, seconds = spec.get("audiences") or [ISSUER], _seconds(spec)
    bound = _bound(call, spec.get("boundObjectRef"))
    claims = claims_for(
        account, audiences=audiences, seconds=seconds, bound=bound, token_id=str(uuid.uuid4())
    )
    spec.update({"audiences": audiences, "expirationSeconds": seconds})
    request["metadata"] = {
        "name": call.info.name,
        "namespace": call.info.namespace,
        "creationTimestamp": metadata.now(),
    }
    expires = metadata.timestamp(datetime.fromtimestamp(claims["exp"], UTC))
    token = call.state.signer.sign(claims)
    return representation.answer_object(
        call, {**request, "status": {"token": token, "expirationTimestamp": expires}}, status=201
    )


def _seconds(spec: Object) -> int:
    seconds: int = spec.get("expirationSeconds") or DEFAULT_SECONDS
    if seconds < SHORTEST:
        raise _invalid(f"Invalid value: {seconds}: may not specify a duration less than 10 minutes")
    if seconds > LONGEST:
        raise _invalid(f"Invalid value: {seconds}: may not specify a duration larger than 2^32 seconds")
    return seconds


def _invalid(message: str) -> StatusError:
    about = About("TokenRequest", "", "authentication.k8s.io")
    return invalid(about, [cause("Invalid", "spec.expirationSeconds", message)])


def _bound(call: Call, reference: Any) -> dict[str, dict[str, str]]:
    if not reference:
        return {}
    kind = str(reference.get("kind", "")).lower()
    if kind not in BOUND_KINDS:
        raise bad_request(f"cannot bind token for serviceaccount to object of type {reference.get('kind')}")
    name, plural = str(reference.get("name", "")), BOUND_KINDS[kind]
    row = call.store.latest(Key(plural, "" if kind == "node" else call.info.namespace, name))
    if row is None:
        raise not_found(About(plural, name))
    uid = shared(row)["metadata"]["uid"]
    if reference.get("uid") not in {None, "", uid}:
        raise conflict(
            About(plural, name),
            f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
            "The object might have been deleted and then recreated",
        )
    return {kind: {"name": name, "uid": uid}}
