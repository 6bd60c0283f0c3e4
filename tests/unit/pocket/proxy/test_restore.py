"""What iptables-restore is told. The golden file is the whole input for a small cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.kube.resources import ObjectKey
from lab.pocket.proxy.chains import SERVICES, Chain, Node
from lab.pocket.proxy.model import Family
from lab.pocket.proxy.plan import Plan
from lab.pocket.proxy.restore import BATCH, MOST_REMOVED, Kernel, change, read_saved, remove, rewrite
from lab.pocket.proxy.rules import JUMPS, RuleSet, rule_set
from tests.unit.pocket.proxy.objects import endpoint, endpoint_slice, service

GOLDEN = Path(__file__).with_name("cluster.rules")
EMPTY = Kernel(frozenset(), frozenset())
PODS = [endpoint(f"172.17.0.{n}", f"worker{n}") for n in (3, 4, 8)]


def plan() -> Plan:
    made = Plan(Family.IPV4, "worker3")
    made.set_node(Node("10.0.0.53", "172.17.0.0/16"))
    made.update(
        ObjectKey("default", "nginx"),
        service(externalIPs=["10.22.0.0"], nodePort=30916),
        [endpoint_slice(*PODS)],
    )
    lonely = service("default/lonely", type="LoadBalancer", clusterIPs=["10.96.58.234"], lb=["172.16.254.1"])
    made.update(ObjectKey("default", "lonely"), lonely, [])
    return made


def test_the_whole_input_for_a_small_cluster():
    assert rewrite(EMPTY, plan().rule_set()) == [GOLDEN.read_text()]


def test_nothing_to_do():
    assert change(plan().rule_set(), plan().rule_set()) == []


def test_a_lost_endpoint_rewrites_its_service_only():
    after = plan()
    after.update(
        ObjectKey("default", "nginx"),
        service(externalIPs=["10.22.0.0"], nodePort=30916),
        [endpoint_slice(*PODS[:2])],
    )
    (text,) = change(plan().rule_set(), after.rule_set())
    lines = text.splitlines()
    assert (lines[0], lines[-1]) == ("*nat", "COMMIT")
    assert [line for line in lines if "lonely" in line or "KUBE-SERVICES" in line] == []
    assert sum(line.startswith("-X KUBE-SEP-") for line in lines) == 1


def test_a_deleted_service_leaves_nothing():
    after = plan()
    after.update(ObjectKey("default", "nginx"), None, [])
    (text,) = change(plan().rule_set(), after.rule_set())
    assert {line.split()[0] for line in text.splitlines()} == {"*nat", "-D", "-X", "COMMIT"} | {
        f":{chain.name}" for chain in plan().rule_set().keys() - after.rule_set().keys()
    }


def test_chains_of_an_earlier_process_are_removed_and_jumps_not_doubled():
    saved = f"*nat\n:KUBE-SVC-OLD - [0:0]\n:KUBE-SERVICES - [0:0]\n-A OUTPUT {JUMPS[-3].match} -j KUBE-SERVICES\nCOMMIT\n"
    kernel = read_saved(saved)
    assert kernel == Kernel(frozenset({Chain("nat", "KUBE-SVC-OLD"), SERVICES}), frozenset({JUMPS[-3]}))
    (text,) = rewrite(kernel, rule_set([], Family.IPV4))
    nat = text.split("*nat")[1]
    assert "-X KUBE-SVC-OLD" in nat
    assert "-I OUTPUT" not in nat
    assert "-I PREROUTING" in nat


def test_remove_takes_the_jumps_first():
    text = remove(Kernel(frozenset({SERVICES}), frozenset({JUMPS[-2]})))
    assert text == (
        "*nat\n:KUBE-SERVICES - [0:0]\n"
        '-D PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES\n'
        "-X KUBE-SERVICES\nCOMMIT\n"
    )


def test_many_chains_are_cut_into_transactions_and_portals_come_last():
    many: RuleSet = {Chain("nat", f"KUBE-SEP-{n}"): ("-j ACCEPT",) for n in range(BATCH * 2)}
    texts = rewrite(EMPTY, {**rule_set([], Family.IPV4), **many})
    assert len(texts) == 3
    assert ["-I PREROUTING" in text for text in texts] == [False, False, True]
    assert [":KUBE-SERVICES" in text for text in texts] == [False, False, True]


@pytest.mark.parametrize(("removed", "is_written_anew"), [(MOST_REMOVED, False), (MOST_REMOVED + 1, True)])
def test_a_shared_chain_that_loses_many_rules_is_written_anew(removed: int, *, is_written_anew: bool):
    before = tuple(f"-d 10.0.0.{n}/32 -j ACCEPT" for n in range(200))
    (text,) = change({SERVICES: before}, {SERVICES: before[removed:]})
    assert (f":{SERVICES.name} - [0:0]" in text) is is_written_anew
    chains = {SERVICES: list(before)}
    _load(chains, text)
    assert chains == {SERVICES: list(before[removed:])}


names = st.sampled_from(["a", "b", "c", "d"])
clusters = st.dictionaries(names, st.tuples(st.integers(0, 3), st.booleans()))


def _rules(cluster: dict[str, tuple[int, bool]]) -> RuleSet:
    made = Plan(Family.IPV4, "worker3")
    for index, (name, (pods, external)) in enumerate(sorted(cluster.items())):
        spec = {"nodePort": 30000 + index} if external else {}
        item = service(f"default/{name}", clusterIPs=[f"10.96.0.{ord(name)}"], **spec)
        made.update(ObjectKey("default", name), item, [endpoint_slice(*PODS[:pods])])
    return made.rule_set()


def _load(chains: dict[Chain, list[str]], text: str) -> None:
    """What iptables-restore --noflush does."""
    table = ""
    for line in text.splitlines():
        verb, _, rest = line.partition(" ")
        chain = Chain(table, rest.partition(" ")[0])
        rule = rest.partition(" ")[2]
        if verb.startswith("*"):
            table = verb[1:]
        elif verb.startswith(":"):
            chains[Chain(table, verb[1:])] = []
        elif verb == "-A":
            chains[chain].append(rule)
        elif verb == "-I":
            chains[chain].insert(0, rule)
        elif verb == "-D":
            chains[chain].remove(rule)
        elif verb == "-X":
            assert not any(f"-j {chain.name}" in each for body in chains.values() for each in body)
            assert chains.pop(chain) == []


@given(clusters, clusters)
def test_a_change_leads_to_the_same_rules_as_a_fresh_start(before, after):
    old, new = _rules(before), _rules(after)
    chains = {chain: list(rules) for chain, rules in old.items()}
    for text in change(old, new):
        _load(chains, text)
    assert {chain: set(rules) for chain, rules in chains.items()} == {c: set(r) for c, r in new.items()}
    assert chains[SERVICES][-1] == new[SERVICES][-1]
