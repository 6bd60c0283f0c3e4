"""From a connection to an answer: authenticate, authorize, find the resource, call the verb, answer every error as a Status."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from lab.pocket.apiserver import discovery, dispatch, issuer, request
from lab.pocket.apiserver.errors import About, StatusError, forbidden
from lab.pocket.apiserver.impersonation import impersonated
from lab.pocket.apiserver.openapi import OpenApi
from lab.pocket.apiserver.registry import Resource
from lab.pocket.apiserver.request import RequestInfo
from lab.pocket.apiserver.state import Call, State
from lab.pocket.apiserver.users import User
from lab.pocket.store import StoreError, UnencodableError

log = logging.getLogger(__name__)

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2+pocket",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-06-11T00:00:00Z",
    "goVersion": "",
    "compiler": "cpython",
    "platform": "linux/amd64",
}
DEPRECATED = {"endpoints": ("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",)}
HEALTH = ("/healthz", "/livez", "/readyz")


class Server:
    """The request handler of the API server."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._openapi = OpenApi(state.registry)

    async def handle(
        self, http: web.BaseRequest, certificate: Mapping[str, Any] | None
    ) -> web.StreamResponse:
        """Answer one request of a client, known by its certificate or not; only the connection's end escapes."""
        try:
            response = await self._answer(http, certificate)
        except StatusError as error:
            response = _refusal(error)
        except UnencodableError as error:
            response = _refusal(StatusError(400, "BadRequest", error.message))
        except StoreError as error:
            response = _refusal(StatusError(500, "InternalError", f"Internal error occurred: {error}"))
        except (ConnectionError, TimeoutError):
            raise
        except Exception:  # the very top of a request: whatever it was, the server goes on
            log.exception("%s %s failed", http.method, http.path)
            response = _refusal(
                StatusError(500, "InternalError", "Internal error occurred: see the server's log")
            )
        return response

    async def _answer(
        self, http: web.BaseRequest, certificate: Mapping[str, Any] | None
    ) -> web.StreamResponse:
        token = http.headers.get("Authorization", "")
        user = self.state.authenticator.authenticate(certificate, token)
        user = impersonated(user, http.headers, self.state.authorizer)
        info = request.parse(http.method, http.path, http.query)
        self._authorize(user, info)
        if info.path:
            return self._plain(http, info)
        resource = self.state.registry.get(info.group, info.version, info.resource)
        if resource is None or not _is_in_scope(resource, info):
            return _not_here()
        call = Call(self.state, http, info, user, resource, http.query)
        call.warnings += DEPRECATED.get(resource.qualified, ())
        handler = dispatch.find(call)
        try:
            response = _not_here() if handler is None else await handler(call)
        except StatusError as error:  # the call's warnings go with its refusal
            response = _refusal(error)
        return _with_headers(response, call)

    def _authorize(self, user: User, info: RequestInfo) -> None:
        if not self.state.authorizer.allows(user, info):
            why = self.state.authorizer.refusal(user, info)
            if info.path:
                raise StatusError(403, "Forbidden", f"forbidden: {why}")
            about = About(info.resource, info.name, info.group)
            raise forbidden(about, why)

    def _plain(self, http: web.BaseRequest, info: RequestInfo) -> web.Response:
        """Serve what is not a resource: version, health, discovery, OpenAPI."""
        if info.verb not in {"get", "head"}:
            return _not_here()
        path = info.path.rstrip("/") or "/"
        if path == "/version":
            return web.Response(
                body=orjson.dumps(VERSION, option=orjson.OPT_INDENT_2), content_type="application/json"
            )
        if path.startswith(HEALTH):
            return _health(path, verbose="verbose" in http.query)
        accept = http.headers.get("Accept", "")
        if path.startswith("/openapi/"):
            return _or_not_here(self._openapi.answer(path, accept))
        address = f"{self.state.settings.advertise[0]}:{self.state.settings.port}"
        if path in {issuer.CONFIGURATION, issuer.KEYS}:
            return _or_not_here(issuer.answer(path, self.state.signer, address))
        return _or_not_here(discovery.answer(self.state.registry, path, accept, address))


def _is_in_scope(resource: Resource, info: RequestInfo) -> bool:
    """Tell whether a path has a namespace where its resource wants one; collections may span them all."""
    if not resource.namespaced:
        return not info.namespace or resource.qualified == "namespaces"
    return bool(info.namespace) or not info.name or info.verb in {"list", "watch"}


def _health(path: str, *, verbose: bool) -> web.Response:
    kind, _, check = path.strip("/").partition("/")
    if check not in {"", "ping", "log", "etcd"}:
        return _not_here()
    checks = "".join(f"[+]{name} ok\n" for name in ("ping", "log", "etcd"))
    return web.Response(text=f"{checks}{kind} check passed\n" if verbose else "ok")


def _or_not_here(response: web.Response | None) -> web.Response:
    """Answer 404 for None; an aiohttp response before 3.12 is a mapping, and false while it is empty."""
    return _not_here() if response is None else response


def _not_here() -> web.Response:
    return web.Response(status=404, text="404 page not found\n")


def _refusal(error: StatusError) -> web.Response:
    response = web.Response(
        status=error.code, body=orjson.dumps(error.status()), content_type="application/json"
    )
    if "retryAfterSeconds" in error.details:
        response.headers["Retry-After"] = str(error.details["retryAfterSeconds"])
    if error.code == 413:
        response.force_close()  # the rest of the body is not worth reading
    return response


def _with_headers(response: web.StreamResponse, call: Call) -> web.StreamResponse:
    if not response.prepared:
        response.headers["Audit-Id"] = str(uuid.uuid4())
        response.headers["Cache-Control"] = "no-cache, private"
        for warning in dict.fromkeys(call.warnings):
            text = warning.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
            response.headers.add("Warning", f'299 - "{text}"')
    return response
