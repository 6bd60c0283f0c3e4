"""Aggregated ClusterRoles: their rules are those of the roles that they select.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles. So a CRD's author adds to `view`,
`edit` and `admin` by a label.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from lab.kube.resources import CLUSTER_ROLES, Json, ObjectKey, Resource
from lab.pocket.controllers.cache import Cache
from lab.pocket.controllers.objects import labels_of, selects
from lab.pocket.controllers.writes import NOTHING_TO_DO, Patch, Result


class AggregatedRoles:
    """Writes the rules of each ClusterRole that has an aggregationRule."""

    name = "clusterrole-aggregation-controller"
    reads = (CLUSTER_ROLES,)

    def keys(self, cache: Cache, resource: Resource, item: Json) -> Iterable[ObjectKey]:
        del resource, item
        return [key for key, role in cache.all(CLUSTER_ROLES).items() if role.get("aggregationRule")]

    def reconcile(self, cache: Cache, key: ObjectKey, now: datetime) -> Result:
        del now
        role = cache.get(CLUSTER_ROLES, key.name)
        if role is None or not role.get("aggregationRule"):
            return NOTHING_TO_DO
        rules = aggregated_rules(role, (each for _, each in sorted(cache.all(CLUSTER_ROLES).items())))
        if rules == (role.get("rules") or []):
            return NOTHING_TO_DO
        return Result([Patch(CLUSTER_ROLES, key, {"rules": rules})])


def aggregated_rules(role: Json, roles: Iterable[Json]) -> list[Json]:
    """Return each rule once of the other roles that one of the role's selectors matches, in their order."""
    others = [each for each in roles if each["metadata"]["name"] != role["metadata"]["name"]]
    rules: list[Json] = []
    for selector in role["aggregationRule"].get("clusterRoleSelectors") or ():
        for other in others:
            if selects(selector, labels_of(other)):
                rules += [rule for rule in other.get("rules") or () if rule not in rules]
    return rules
