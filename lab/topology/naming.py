"""The naming law: names and MAC addresses that follow from lab.yml."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from lab.topology.model import MachineName

DNS_LABEL: Final = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
"""A host name's label (RFC 1035, section 2.3.1): it begins with a letter, so it never looks like a number."""
DNS_LABEL_PHRASE: Final = "at most 63 lower-case letters, digits and hyphens, beginning with a letter"
LABEL_LENGTH: Final = 63


def worker_name(prefix: str, number: int) -> MachineName:
    """Return the name of worker `number`, counted from 1: `k8s-worker1`."""
    return MachineName(f"{prefix}{number}")


def peer_name(number: int) -> str:
    """Return the name of the router's BGP session with worker `number`: `peer1`."""
    return f"peer{number}"


def mac_address(lab: str, machine: str, network: str) -> str:
    """Return a stable MAC address, locally administered and unicast (IEEE 802, section 8.2.2): `02:…`."""
    digest = hashlib.sha256(f"{lab}\n{machine}\n{network}".encode()).digest()
    return ":".join(f"{octet:02x}" for octet in (0x02, *digest[:5]))
