from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import HostError
from lab.machines.dpkg import Packages

STATUS = """\
Package: app
Architecture: amd64
Description: an app
 Depends: this line goes on with the description
Pre-Depends: libc6 (>= 2.4)
Depends: mta | awk, python3:any (>= 3.13),
 libssl (>= 1) [amd64]

Package: libc6
Architecture: amd64

Package: libssl
Architecture: amd64
Depends: libc6

Package: mawk
Architecture: amd64
Provides: awk, gawk-like (= 1)
Depends: libm

Package: libm
Architecture: amd64

Package: python3
Architecture: amd64
Depends: app

Package: stranger
Architecture: all
Depends: nowhere | neither
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "var/lib/dpkg/info").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(STATUS)
    return tmp_path


@pytest.mark.parametrize(
    ("names", "without", "found"),
    [
        (["libm"], [], "libm"),
        (["libssl"], [], "libc6 libssl"),
        (["app"], [], "app libc6 libm libssl mawk python3"),
        (["app"], ["mawk"], "app libc6 libssl python3"),
        (["awk"], [], "libm mawk"),
        (["gawk-like", "libc6"], [], "libc6 libm mawk"),
    ],
)
def test_what_packages_need(root: Path, names: list[str], without: list[str], found: str) -> None:
    assert [package.name for package in Packages(root).closure(names, without=without)] == found.split()


@pytest.mark.parametrize(
    ("names", "said"), [(["stranger"], "nowhere or neither is not installed"), (["x"], "x is not")]
)
def test_what_is_not_installed(root: Path, names: list[str], said: str) -> None:
    with pytest.raises(HostError, match=said):
        Packages(root).closure(names)


def test_a_stanza_is_kept_as_it_is(root: Path) -> None:
    (package,) = Packages(root).closure(["libm"])
    assert package.stanza == "Package: libm\nArchitecture: amd64"


@pytest.mark.parametrize("listing", ["libm.list", "libm:amd64.list"])
def test_files_are_those_that_are_there(root: Path, listing: str) -> None:
    (root / "var/lib/dpkg/info" / listing).write_text("/.\n/usr\n/usr/m\n/usr/link\n/usr/left-out\n")
    (root / "usr").mkdir()
    (root / "usr/m").touch()
    (root / "usr/link").symlink_to("/nowhere")
    packages = Packages(root)
    assert packages.files(packages.installed["libm"]) == ["usr", "usr/m", "usr/link"]


def test_a_directory_that_is_no_debian(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="has no packages of Debian"):
        Packages(tmp_path).closure(["libc6"])
