"""`lab up --offline` of virtual machines, which hang on this host's network: refused where that has a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.cli import privilege, up
from lab.cli.session import open_lab
from lab.errors import UsageError
from tests.unit.topologies import ROOT


@pytest.mark.parametrize("way", ["default via 192.0.2.1 dev eth0 proto dhcp", ""])
def test_a_default_route_is_refused(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "lab.yml"
    file.write_text((ROOT / "lab.yml").read_text().replace("name: lab\n", "name: offline\n"))
    context = open_lab(file, quiet=True, provider="vagrant")
    monkeypatch.setattr(privilege, "run", lambda argv: way if "-4" in argv else "")
    if not way:
        up._confine(context, offline=True, bundle=None)
        return
    with pytest.raises(UsageError, match=way):
        up._confine(context, offline=True, bundle=None)
