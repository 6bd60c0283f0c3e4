"""Whether a lab printed what an article shows: the same text, but for what differs from one cluster to the next.

Each rule makes one such thing the same on both sides: ages, restarts, names with random ends, addresses that a cluster
chose, the width of columns. What is left must be equal.
"""

from __future__ import annotations

import re
from itertools import zip_longest

AGE = r"\b(\d+[smhdy]){1,3}\b"
RULES: tuple[tuple[str, str], ...] = (
    (r"(?<=Running)(\s+)\d+( \(\w+ ago\))?", r"\1<restarts>"),
    (rf"(?<=\s){AGE}( ago)?(?=\s|$)", "<age>"),
    (r"\b(\d\d:){2}\d\d(\.\d+)?\b", "<time>"),
    (r"\b(nginx|controller)-[a-f0-9]{8,10}-[a-z0-9]{5}\b", r"\1-<pod>"),
    (r"\b(bgp-speaker|speaker)-[a-z0-9]{5}\b", r"\1-<pod>"),
    (r"\b80:3[0-2]\d{3}/TCP", "80:<node port>/TCP"),
    (r"\b10\.(9[6-9]|10\d|11[01])\.(?!0\.1\b)\d+\.\d+\b", "<cluster IP>"),
    (r"\b(10\.244|172\.17)\.\d+\.\d+\b", "<pod IP>"),
    (r"\bk8s-worker\d\b", "<worker>"),
    (r"\bKUBE-(SVC|SEP|FW|EXT)-[A-Z2-7]{16}\b", r"KUBE-\1-<hash>"),
    (r"--probability 0\.33\d+", "--probability <a third>"),
    (r"\bafter \d+ ms\b", "after <moment>"),
    (r"[ \t]+", " "),
)


def normalised(text: str) -> list[str]:
    """Return the lines as they compare; empty lines do not count."""
    for pattern, replacement in RULES:
        text = re.sub(pattern, replacement, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def differences(printed: str, shown: str, *, ordered: bool = True) -> list[str]:
    """Return the lines in which the two differ, as `printed | shown`; without order, both are sorted first."""
    left, right = normalised(printed), normalised(shown)
    if not ordered:
        left, right = sorted(left), sorted(right)
    return [
        f"{one or '(nothing)'} | {other or '(nothing)'}"
        for one, other in zip_longest(left, right)
        if one != other
    ]
