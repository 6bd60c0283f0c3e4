"""Labs of their own for the tests: real machines, a name that no user's lab has, gone afterwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 1200.0
MACHINES_ONLY = ("--until", "prove the networks")


@dataclass(frozen=True)
class Lab:
    """The command line, on one lab."""

    file: Path
    name: str

    def __call__(self, verb: str, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `lab VERB OPTIONS --file FILE`; with `check`, a failure shows what it said."""
        return self.run([verb, "--file", str(self.file), *options], check=check)

    def up(self, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Bring up machines and networks only, which is all that most of these tests are about."""
        return self("up", *MACHINES_ONLY, *options, check=check)

    def run(self, argv: list[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "lab.cli", *argv],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"lab {argv}: {done.stdout}\n{done.stderr}"
        return done

    def json(self, verb: str, *options: str, check: bool = True) -> Any:
        return json.loads(self(verb, "--json", *options, check=check).stdout)

    def states(self) -> dict[str, str]:
        return {m["name"]: m["state"] for m in self.json("status", check=False)["machines"]}

    def spawn(self, verb: str, *options: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "lab.cli", verb, "--file", str(self.file), *options]
        return subprocess.Popen(
            argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )


def write_lab(directory: Path, *, name: str, workers: int = 3, pool: str = "") -> Lab:
    """Write the default lab.yml under another name, with another number of workers, with another pool if wanted."""
    content = yaml.safe_load((ROOT / "lab.yml").read_text())
    content["name"] = name
    content["workers"]["count"] = workers
    if pool:
        content["load_balancer"]["pools"][0]["addresses"] = [pool]
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "lab.yml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return Lab(file=file, name=name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0 and not shutil.which("sudo"):
        for item in items:
            item.add_marker(pytest.mark.skip(reason="not run: neither root nor sudo"))


@pytest.fixture
def lab(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab with two workers that does not exist yet."""
    lab = write_lab(tmp_path, name=f"t{os.getpid()}", workers=getattr(request, "param", 2))
    try:
        yield lab
    finally:
        lab("down")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The default lab, up."""
    lab = write_lab(tmp_path_factory.mktemp("lab"), name=f"m{os.getpid()}")
    try:
        lab.up()
        yield lab
    finally:
        lab("down")
