"""Whether two sets of node selectors can mean the same node."""

from __future__ import annotations

from collections.abc import Mapping

from lab.kube.selectors import LabelSelector, any_matches


def meet(
    one: tuple[LabelSelector, ...],
    other: tuple[LabelSelector, ...],
    nodes: Mapping[str, Mapping[str, str]] | None,
) -> bool:
    """Tell whether a node is selected by both. `nodes` maps names to labels.

    When the nodes are not known (None), only equal selectors, or none at all, are sure to meet.
    """
    if nodes is None:
        return not one or not other or set(one) == set(other)
    return any(any_matches(one, labels) and any_matches(other, labels) for labels in nodes.values())
