"""Questions about users: who is this, and may they do that? Nothing is stored."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from lab.pocket.apiserver import bodies, processing, representation
from lab.pocket.apiserver.errors import bad_request, cause, invalid
from lab.pocket.apiserver.request import RequestInfo
from lab.pocket.apiserver.state import Call
from lab.pocket.apiserver.users import User
from lab.pocket.apiserver.verbs.creating import check_kind, check_namespace
from lab.pocket.store import Object
from lab.pocket.tokens import ISSUER


async def self_subject_access(call: Call) -> web.StreamResponse:
    """Tell whether the asking user may do something."""
    review = await _review(call)
    return _answer(call, review, _access(call, call.user, review["spec"]))


async def subject_access(call: Call) -> web.StreamResponse:
    """Tell whether some user may do something; also for LocalSubjectAccessReview."""
    review = await _review(call)
    spec = review["spec"]
    if not spec.get("user") and not spec.get("groups"):
        message = "Invalid value: null: at least one of user or group must be specified"
        raise invalid(call.resource.about_kind(""), [cause("Invalid", "spec.user", message)])
    return _answer(
        call, review, _access(call, User(spec.get("user", ""), tuple(spec.get("groups") or ())), spec)
    )


async def self_subject_rules(call: Call) -> web.StreamResponse:
    """List what the asking user may do in a namespace."""
    review = await _review(call)
    namespace = review["spec"].get("namespace", "")
    if not namespace:
        raise bad_request("no namespace on request")
    rules = [rule for rule in call.state.authorizer.rules(call.user) if rule.namespace in {"", namespace}]
    resource_rules = [
        _only(rule.source, "verbs", "apiGroups", "resources", "resourceNames") for rule in rules
    ]
    path_rules = [_only(rule.source, "verbs", "nonResourceURLs") for rule in rules if rule.paths]
    status = {
        "resourceRules": [rule for rule in resource_rules if "resources" in rule],
        "nonResourceRules": path_rules,
        "incomplete": False,
    }
    return _answer(call, review, status)


async def self_subject(call: Call) -> web.StreamResponse:
    """Tell who is asking."""
    review = await _review(call)
    return _answer(call, review, {"userInfo": _user_info(call.user)})


async def token(call: Call) -> web.StreamResponse:
    """Tell whose a token is, if it is anybody's."""
    review = await _review(call)
    spec = review["spec"]
    if not spec.get("token"):
        message = "Required value: token is required for TokenReview in authentication"
        raise invalid(call.resource.about_kind(""), [cause("Required", "spec.token", message)])
    audiences = list(spec.get("audiences") or [ISSUER])
    user = call.state.authenticator.token_user(spec["token"], audiences=frozenset(audiences))
    if user is None:
        return _answer(call, review, {"user": {}, "error": "[invalid bearer token, unknown]"})
    return _answer(call, review, {"authenticated": True, "user": _user_info(user), "audiences": audiences})


async def _review(call: Call) -> Object:
    review = await bodies.read_object(call.request)
    check_kind(call, review)
    check_namespace(call, review)
    return processing.process(call, review)


def _access(call: Call, user: User, spec: dict[str, Any]) -> Object:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (resource is None) == (path is None):
        message = "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise invalid(call.resource.about_kind(""), [cause("Invalid", "spec.resourceAttributes", message)])
    info = _info(resource, path=False) if path is None else _info({"path": "/", **path}, path=True)
    authorizer = call.state.authorizer
    allowed = authorizer.allows(user, info)
    reason = authorizer.grant(user, info) if allowed else authorizer.opinion(user, info)
    return {"allowed": allowed, **({"reason": reason} if reason else {})}


def _info(attributes: Any, *, path: bool) -> RequestInfo:
    keys = ("path",) if path else ("group", "version", "resource", "namespace", "name", "subresource")
    values = {key: attributes.get(key, "") for key in keys}
    return RequestInfo(attributes.get("verb", ""), **values)


def _user_info(user: User) -> Object:
    info: Object = {"username": user.name, "groups": [*user.groups]}
    if user.uid:
        info["uid"] = user.uid
    if user.extra:
        info["extra"] = {key: [*values] for key, values in user.extra.items()}
    return info


def _only(source: Any, *keys: str) -> Object:
    return {key: source[key] for key in keys if source.get(key)}


def _answer(call: Call, review: Object, status: Object) -> web.Response:
    return representation.answer_object(call, {**review, "status": status}, status=201)
