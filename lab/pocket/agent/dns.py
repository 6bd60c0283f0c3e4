"""A pod's /etc/resolv.conf: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/. Pure but for one file."""

from __future__ import annotations

from pathlib import Path

from lab.kube.resources import Json

DOTS = "5"
"""Names with fewer dots are tried within the cluster first."""


def resolv_conf(pod: Json, *, server: str, domain: str, host: Path) -> str:
    """Return the resolver configuration that dnsPolicy and dnsConfig ask for; `host` is the node's own."""
    spec = pod["spec"]
    policy = spec.get("dnsPolicy", "ClusterFirst")
    if policy == "ClusterFirst" and spec.get("hostNetwork"):
        policy = "Default"
    servers: list[str] = []
    searches: list[str] = []
    options: dict[str, str] = {}
    if policy.startswith("ClusterFirst") and server:
        namespace = pod["metadata"]["namespace"]
        servers = [server]
        searches = [f"{namespace}.svc.{domain}", f"svc.{domain}", domain]
        options = {"ndots": DOTS}
    elif policy != "None":
        servers, searches, options = _parse(host.read_text() if host.is_file() else "")
    config = spec.get("dnsConfig") or {}
    servers = list(dict.fromkeys([*servers, *(config.get("nameservers") or ())]))
    searches = list(dict.fromkeys([*searches, *(config.get("searches") or ())]))
    options |= {each["name"]: each.get("value") or "" for each in config.get("options") or ()}
    lines = [f"nameserver {each}" for each in servers]
    lines += [f"search {' '.join(searches)}"] if searches else []
    words = [f"{name}:{value}" if value else name for name, value in options.items()]
    lines += [f"options {' '.join(words)}"] if words else []
    return "\n".join(lines) + "\n"


def _parse(text: str) -> tuple[list[str], list[str], dict[str, str]]:
    servers: list[str] = []
    searches: list[str] = []
    options: dict[str, str] = {}
    for line in text.splitlines():
        match line.split():
            case ["nameserver", server, *_]:
                servers.append(server)
            case ["search", *names]:
                searches = names
            case ["options", *words]:
                options |= {word.partition(":")[0]: word.partition(":")[2] for word in words}
    return servers, searches, options
