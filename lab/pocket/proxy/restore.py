"""From the rules that are in the kernel to those that should be, as input of iptables-restore --noflush.

One input is one transaction. A change needs one; thousands of new chains are written in several, and the rules that
lead to them in the last.

A line `:CHAIN - [0:0]` creates the chain or empties it; a chain without that line keeps the rules it has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lab.pocket.proxy.chains import SHARED, Chain
from lab.pocket.proxy.rules import JUMPS, Jump, RuleSet

TABLES: Final = ("filter", "nat")
OWNED_BY_SERVICES: Final = re.compile(r"KUBE-(SVC|SVL|SEP|EXT|FW)-")


BATCH: Final = 2000
"""Chains in one transaction: iptables-restore takes time that grows with the square of their number."""
MOST_REMOVED: Final = 100
"""Rules removed from a chain one by one: each is compared with all that are there, and beyond this writing all anew is
cheaper (of 10,000 rules, 1,000 are removed in 3.4 s and all written in 0.45 s)."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """What iptables-save shows of ours: the chains, and the jumps that are in place."""

    chains: frozenset[Chain]
    jumps: frozenset[Jump]


def read_saved(text: str) -> Kernel:
    """Read the output of iptables-save."""
    chains: set[Chain] = set()
    jumps: set[Jump] = set()
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":KUBE-"):
            chains.add(Chain(table, line[1:].split(" ", 1)[0]))
        elif line.startswith("-A "):
            words = line.split()
            jumps.update(j for j in JUMPS if (j.table, j.source, j.target) == (table, words[1], words[-1]))
    return Kernel(frozenset(chains), frozenset(jumps))


def change(before: RuleSet, after: RuleSet) -> list[str]:
    """Return the inputs that turn `before`, written by this process, into `after`; none when they are equal.

    Chains that all Services share have thousands of rules, of which a change touches few and whose order does not
    matter: they are edited, unless too many rules go. All others are rewritten.
    """
    edits: dict[str, list[str]] = {table: [] for table in TABLES}
    rewritten: dict[Chain, tuple[str, ...]] = {}
    for chain, rules in after.items():
        old = before.get(chain)
        if old == rules:
            continue
        edited = _edits(chain, old, rules) if old is not None and chain in SHARED else None
        if edited is None:
            rewritten[chain] = rules
        else:
            edits[chain.table] += edited
    return _transactions(rewritten, stale=before.keys() - after.keys(), edits=edits)


def _edits(chain: Chain, before: tuple[str, ...], after: tuple[str, ...]) -> list[str] | None:
    """Return what edits the chain; None where writing it anew is cheaper."""
    removed = _without(before, after)
    if len(removed) > MOST_REMOVED:
        return None
    added = _without(after, before)
    return [f"-D {chain.name} {rule}" for rule in removed] + [f"-I {chain.name} {rule}" for rule in added]


def _without(rules: tuple[str, ...], others: tuple[str, ...]) -> list[str]:
    excluded = set(others)
    return [rule for rule in rules if rule not in excluded]


def rewrite(kernel: Kernel, after: RuleSet) -> list[str]:
    """Return the inputs that write `after` over whatever an earlier process left, with the jumps that are missing."""
    stale = {chain for chain in kernel.chains if OWNED_BY_SERVICES.match(chain.name) and chain not in after}
    edits: dict[str, list[str]] = {table: [] for table in TABLES}
    for jump in JUMPS:
        if jump not in kernel.jumps:
            edits[jump.table].append(f"-I {_jump(jump)}")
    return _transactions(after, stale=stale, edits=edits)


def remove(kernel: Kernel) -> str:
    """Return the input that takes everything of ours out of the kernel."""
    parts = []
    for table in TABLES:
        chains = sorted(chain.name for chain in kernel.chains if chain.table == table)
        jumps = [jump for jump in JUMPS if jump in kernel.jumps and jump.table == table]
        if chains:
            flush = [f":{name} - [0:0]" for name in chains]
            unlink = [f"-D {_jump(jump)}" for jump in jumps]
            parts.append(
                "\n".join([f"*{table}", *flush, *unlink, *(f"-X {name}" for name in chains), "COMMIT", ""])
            )
    return "".join(parts)


def _transactions(chains: RuleSet, *, stale: Iterable[Chain], edits: Mapping[str, list[str]]) -> list[str]:
    """Cut what is too long for one transaction: chains that nothing jumps to yet come first, in whole batches."""
    early = [chain for chain in chains if chain not in SHARED]
    texts = []
    while len(early) > BATCH:
        batch, early = early[:BATCH], early[BATCH:]
        texts.append(_text({chain: chains[chain] for chain in batch}, stale=(), edits={}))
    rest = {chain: chains[chain] for chain in (*early, *(chain for chain in chains if chain in SHARED))}
    texts.append(_text(rest, stale=stale, edits=edits))
    return [text for text in texts if text]


def _text(chains: RuleSet, *, stale: Iterable[Chain], edits: Mapping[str, list[str]]) -> str:
    doomed = sorted(stale)
    return "".join(_table(table, chains, doomed, edits.get(table, [])) for table in TABLES)


def _table(table: str, chains: RuleSet, stale: list[Chain], edits: list[str]) -> str:
    rewritten = [chain for chain in chains if chain.table == table]
    doomed = [chain for chain in stale if chain.table == table]
    declared = [f":{chain.name} - [0:0]" for chain in (*rewritten, *doomed)]
    rules = [f"-A {chain.name} {rule}" for chain in rewritten for rule in chains[chain]]
    # Last, when no rule jumps to them any more.
    deleted = [f"-X {chain.name}" for chain in doomed]
    lines = [*declared, *rules, *edits, *deleted]
    return "\n".join([f"*{table}", *lines, "COMMIT", ""]) if lines else ""


def _jump(jump: Jump) -> str:
    return " ".join(word for word in (jump.source, jump.match, f"-j {jump.target}") if word)
