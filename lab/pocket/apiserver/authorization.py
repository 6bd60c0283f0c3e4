"""RBAC: what a user may do, from the Roles and bindings in the store, recompiled when one of them changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lab.pocket.apiserver.request import RequestInfo
from lab.pocket.apiserver.users import MASTERS, User, service_account_name
from lab.pocket.store import Key, Object, Store

GROUP = "rbac.authorization.k8s.io"
ROLES, CLUSTER_ROLES = f"roles.{GROUP}", f"clusterroles.{GROUP}"
ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS = f"rolebindings.{GROUP}", f"clusterrolebindings.{GROUP}"
REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class Rule:
    """A PolicyRule, ready to be asked. `namespace` is where it holds; "" is everywhere."""

    namespace: str
    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str]
    paths: tuple[str, ...]
    source: Mapping[str, Any]

    def allows(self, info: RequestInfo) -> bool:
        if not self.verbs & {info.verb, "*"}:
            return False
        if info.path:
            return any(_path_matches(pattern, info.path) for pattern in self.paths)
        if self.namespace and self.namespace != info.namespace:
            return False
        if not self.groups & {info.group, "*"} or (self.names and info.name not in self.names):
            return False
        wanted = {info.full_resource, "*", f"*/{info.subresource}" if info.subresource else "*"}
        return bool(self.resources & wanted)


class Decision(Protocol):
    """What another authorizer says: whether a request is allowed and, if not, why; an empty reason is no opinion."""

    @property
    def allowed(self) -> bool: ...

    @property
    def reason(self) -> str: ...


Decide = Callable[[User, RequestInfo], Decision]


class Authorizer:
    """Answers from RBAC objects and asks one authorizer beside them; system:masters may do everything."""

    def __init__(self, store: Store, beside: Decide) -> None:
        self._store = store
        self._beside = beside
        self._revision = -1
        self._bindings: dict[tuple[str, str], list[tuple[str, Object, str]]] = {}
        self._rules: dict[tuple[str, tuple[str, ...]], list[Rule]] = {}

    def allows(self, user: User, info: RequestInfo) -> bool:
        if MASTERS in user.groups or any(rule.allows(info) for rule in self.rules(user)):
            return True
        return self._beside(user, info).allowed

    def grant(self, user: User, info: RequestInfo) -> str:
        """Return what allows a request that is allowed, in RBAC's words; "" when it is not RBAC."""
        self._follow()
        for namespace, reference, described in self._bindings_of(user):
            if MASTERS not in user.groups and any(
                rule.allows(info) for rule in self.role_rules(namespace, reference)
            ):
                return f"RBAC: allowed by {described}"
        return ""

    def opinion(self, user: User, info: RequestInfo) -> str:
        """Return what the authorizer beside RBAC says against a request; RBAC itself never says why not."""
        return self._beside(user, info).reason

    def refusal(self, user: User, info: RequestInfo) -> str:
        """Return why a request is forbidden, in Kubernetes' words."""
        why = _refusal(user, info)
        reason = self._beside(user, info).reason
        return f"{why}: {reason}" if reason else why

    def rules(self, user: User) -> list[Rule]:
        """Return all rules that hold for a user, in any namespace."""
        self._follow()
        key = (user.name, user.groups)
        if key not in self._rules:
            if len(self._rules) >= REMEMBERED:
                self._rules.clear()
            self._rules[key] = list(self._collect(user))
        return self._rules[key]

    def role_rules(self, namespace: str, reference: Mapping[str, str]) -> Iterator[Rule]:
        """Yield the rules of a Role or ClusterRole as they hold in a namespace ("" is everywhere)."""
        cluster = reference.get("kind") == "ClusterRole"
        name = reference.get("name", "")
        row = self._store.get(Key(CLUSTER_ROLES, "", name) if cluster else Key(ROLES, namespace, name))
        role = row.decoded() if row else {}
        for source in role.get("rules") or ():
            yield compiled(source, namespace)

    def _follow(self) -> None:
        kinds = (ROLES, CLUSTER_ROLES, ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS)
        revision = max(map(self._store.resource_revision, kinds))
        if revision == self._revision:
            return
        self._revision = revision
        self._rules.clear()
        self._bindings.clear()
        for row in (*self._store.rows(CLUSTER_ROLE_BINDINGS), *self._store.rows(ROLE_BINDINGS)):
            binding = row.decoded()
            for subject in binding.get("subjects") or ():
                entry = (row.key.namespace, binding["roleRef"], _described(binding, subject))
                self._bindings.setdefault(_subject(subject, row.key.namespace), []).append(entry)

    def _collect(self, user: User) -> Iterator[Rule]:
        for namespace, reference, _ in self._bindings_of(user):
            yield from self.role_rules(namespace, reference)

    def _bindings_of(self, user: User) -> Iterator[tuple[str, Object, str]]:
        """Yield where each of the user's bindings holds, the role it refers to and how it is described."""
        for subject in (("User", user.name), *(("Group", group) for group in user.groups)):
            yield from self._bindings.get(subject, ())


def compiled(source: Mapping[str, Any], namespace: str = "") -> Rule:
    """Compile a PolicyRule."""

    def column(name: str) -> frozenset[str]:
        return frozenset(source.get(name) or ())

    paths = () if namespace else tuple(source.get("nonResourceURLs") or ())
    return Rule(
        namespace,
        column("verbs"),
        column("apiGroups"),
        column("resources"),
        column("resourceNames"),
        paths,
        source,
    )


def covers(held: Iterable[Rule], wanted: Rule) -> bool:
    """Tell whether rules held allow all that a wanted rule allows: nobody may grant more than they have."""
    held = list(held)
    for verb in wanted.verbs:
        for path in wanted.paths:
            if not any(rule.verbs & {verb, "*"} and _covers_path(rule.paths, path) for rule in held):
                return False
        for group in wanted.groups:
            for resource in wanted.resources:
                name, _, subresource = resource.partition("/")
                for object_name in wanted.names or {""}:
                    info = RequestInfo(verb, "", group, "", name, wanted.namespace, object_name, subresource)
                    if not any(rule.allows(info) for rule in held):
                        return False
    return True


def _refusal(user: User, info: RequestInfo) -> str:
    """Return why a request is forbidden, in RBAC's words."""
    if info.path:
        return f'User "{user.name}" cannot {info.verb} path "{info.path}"'
    where = f'in the namespace "{info.namespace}"' if info.namespace else "at the cluster scope"
    return f'User "{user.name}" cannot {info.verb} resource "{info.full_resource}" in API group "{info.group}" {where}'


def _described(binding: Object, subject: Mapping[str, str]) -> str:
    metadata, role = binding["metadata"], binding["roleRef"]
    where = f"/{metadata['namespace']}" if "namespace" in metadata else ""
    who = subject["name"]
    if subject.get("kind") == "ServiceAccount":
        who += f"/{subject.get('namespace') or metadata.get('namespace', '')}"
    role_text = f'{role.get("kind", "")} "{role.get("name", "")}"'
    return (
        f'{binding["kind"]} "{metadata["name"]}{where}" of {role_text} to {subject.get("kind", "")} "{who}"'
    )


def _subject(subject: Mapping[str, str], namespace: str) -> tuple[str, str]:
    if subject.get("kind") == "ServiceAccount":
        return "User", service_account_name(subject.get("namespace") or namespace, subject["name"])
    return subject.get("kind", ""), subject.get("name", "")


def _path_matches(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == path


def _covers_path(patterns: Iterable[str], path: str) -> bool:
    return any(_path_matches(pattern, path) for pattern in patterns)
