"""What every request handler works with, and one request as handlers see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from aiohttp import web

from lab.pocket.apiserver.allocations import Allocations
from lab.pocket.apiserver.authentication import Authenticator
from lab.pocket.apiserver.authorization import Authorizer
from lab.pocket.apiserver.errors import About, bad_request, not_found
from lab.pocket.apiserver.kubelets import Kubelets
from lab.pocket.apiserver.registry import Registry, Resource
from lab.pocket.apiserver.request import TRUE, RequestInfo
from lab.pocket.apiserver.users import User
from lab.pocket.store import Key, Object, Row, Store
from lab.pocket.tokens import TokenSigner


@dataclass(frozen=True, slots=True)
class Settings:
    """What the cluster's founder decides. Networks are CIDRs, the service networks' first family is the default one."""

    advertise: tuple[str, ...] = ("127.0.0.1",)
    port: int = 6443
    authority_pem: str = ""
    service_networks: tuple[str, ...] = ("10.96.0.0/12",)
    node_ports: range = range(30000, 32768)


@dataclass(frozen=True, slots=True)
class State:
    """The server's parts. One object for the life of the process."""

    settings: Settings
    store: Store
    registry: Registry
    authenticator: Authenticator
    authorizer: Authorizer
    signer: TokenSigner
    kubelets: Kubelets
    allocations: Allocations
    chunks: dict[Hashable, bytes] = field(
        default_factory=dict
    )  # of events, as watchers of one view share them
    watchers: Counter[str] = field(default_factory=Counter)  # of each resource


@dataclass(slots=True)
class Call:
    """One authorized request for a resource."""

    state: State
    request: web.BaseRequest
    info: RequestInfo
    user: User
    resource: Resource
    query: Mapping[str, str]
    warnings: list[str] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return self.state.store

    @property
    def key(self) -> Key:
        return Key(
            self.resource.qualified, self.info.namespace if self.resource.namespaced else "", self.info.name
        )

    @property
    def about(self) -> About:
        return self.resource.about(self.info.name)

    @property
    def dry_run(self) -> bool:
        """Whether nothing may be written.

        Raises:
            StatusError: 400, for anything but `dryRun=All`.

        """
        value = self.query.get("dryRun", "")
        if value not in {"", "All"}:
            raise bad_request(f'invalid dryRun: Unsupported value: "{value}": supported values: "All"')
        return value == "All"

    @property
    def field_manager(self) -> str:
        """The name under which changed fields are owned: the parameter, or the client's program name."""
        agent = self.request.headers.get("User-Agent", "unknown")
        return self.query.get("fieldManager") or agent.partition("/")[0][:128] or "unknown"

    def latest(self) -> Row:
        """Return the object that a write builds on, or raise a 404."""
        row = self.store.latest(self.key)
        if row is None:
            raise not_found(self.about)
        return row

    def flag(self, name: str) -> bool:
        """Return a boolean query parameter, as Go reads it."""
        return name in self.query and self.query[name] in TRUE

    def integer(self, name: str, default: int = 0) -> int:
        """Return an integer query parameter, 0 when it is negative, or raise a 400."""
        text = self.query.get(name, "")
        if not text:
            return default
        digits = text[1:] if text[0] in "+-" else text
        if not digits.isascii() or not digits.isdecimal():
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
        if len(digits) > 18:
            raise bad_request(f'strconv.ParseInt: parsing "{text}": value out of range')
        return max(0, int(text))


@lru_cache(maxsize=512)
def shared(row: Row) -> Object:
    """Return a row's object, decoded once for all who only look: never change it."""
    return row.decoded()
