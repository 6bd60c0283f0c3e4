"""How the mirror differs from the lock, a line for each package."""

from __future__ import annotations

import hashlib

import pytest

from lab.actions import artefacts
from lab.provision.artefacts import Artefact, Lock


def packages(*names: str) -> list[Artefact]:
    return [
        Artefact(path=f"deb/{name}.deb", sha256=hashlib.sha256(name.encode()).hexdigest(), size=1)
        for name in names
    ]


def test_a_new_version_stands_beside_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Lock(tuple(packages("bird2_2.17.5-1_amd64", "gone_1_all", "passwd_1%3a4.17_amd64", "same_1_all")))
    now = packages("bird2_2.17.6-1_amd64", "come_1_all", "passwd_1%3a4.18_amd64", "same_1_all")
    monkeypatch.setattr(artefacts, "wanted_now", lambda: now)
    assert [str(difference) for difference in artefacts.outdated(lock)] == [
        "deb/bird2_2.17.5-1_amd64.deb: superseded (by bird2_2.17.6-1_amd64.deb)",
        "deb/passwd_1%3a4.17_amd64.deb: superseded (by passwd_1%3a4.18_amd64.deb)",
        "deb/come_1_all.deb: not in the lock",
        "deb/gone_1_all.deb: missing",
    ]
