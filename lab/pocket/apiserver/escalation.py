"""Nobody may grant by RBAC what they may not do themselves, unless RBAC lets them: the verbs `escalate` and `bind`."""

from __future__ import annotations

from collections.abc import Iterable

from lab.pocket.apiserver import authorization
from lab.pocket.apiserver.authorization import Rule
from lab.pocket.apiserver.errors import forbidden
from lab.pocket.apiserver.request import RequestInfo
from lab.pocket.apiserver.state import Call
from lab.pocket.apiserver.users import MASTERS
from lab.pocket.store import Object


def check_role(call: Call, role: Object) -> None:
    """Refuse a Role or ClusterRole with rules that its author does not hold."""
    if not _allowed(call, "escalate", call.resource.plural, call.info.name):
        rules = [authorization.compiled(source, call.info.namespace) for source in role.get("rules") or ()]
        _check(call, rules)


def check_binding(call: Call, binding: Object) -> None:
    """Refuse a binding to a role with rules that the binding's author does not hold."""
    reference = binding.get("roleRef") or {}
    plural = "clusterroles" if reference.get("kind") == "ClusterRole" else "roles"
    if not _allowed(call, "bind", plural, str(reference.get("name", ""))):
        _check(call, call.state.authorizer.role_rules(call.info.namespace, reference))


def _allowed(call: Call, verb: str, plural: str, name: str) -> bool:
    info = RequestInfo(verb, "", authorization.GROUP, "v1", plural, call.info.namespace, name)
    return MASTERS in call.user.groups or call.state.authorizer.allows(call.user, info)


def _check(call: Call, wanted: Iterable[Rule]) -> None:
    held = call.state.authorizer.rules(call.user)
    missing = [rule for rule in wanted if not authorization.covers(held, rule)]
    if missing:
        listed = "\n".join(_shown(rule) for rule in missing)
        groups = " ".join(f'"{group}"' for group in call.user.groups)
        who = f'user "{call.user.name}" (groups=[{groups}])'
        raise forbidden(
            call.about, f"{who} is attempting to grant RBAC permissions not currently held:\n{listed}"
        )


def _shown(rule: Rule) -> str:
    parts = []
    for label, key in (
        ("APIGroups", "apiGroups"),
        ("Resources", "resources"),
        ("ResourceNames", "resourceNames"),
        ("NonResourceURLs", "nonResourceURLs"),
        ("Verbs", "verbs"),
    ):
        values = rule.source.get(key)
        if values:
            parts.append(f"{label}:[{' '.join(f'{chr(34)}{value}{chr(34)}' for value in values)}]")
    return "{" + ", ".join(parts) + "}"
