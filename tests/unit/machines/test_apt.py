from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from lab.kits.shell import run
from lab.machines import apt, debian
from lab.machines.apt import Package

SAID = """\
'http://mirror.example/debian/pool/main/b/bird2/bird2_2.17.1-1%2bb1_amd64.deb' bird2_2.17.1-1+b1_amd64.deb 700 SHA256:{0}
'http://other.example/debian-security/pool/updates/main/a/apt/apt_3.0.4_amd64.deb' apt_3.0.4_amd64.deb 1453 SHA256:{1}
"""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A directory with one small package."""
    control = tmp_path / "tree/DEBIAN/control"
    control.parent.mkdir(parents=True)
    control.write_text("Package: tiny\nVersion: 1\nArchitecture: all\nMaintainer: m\nDescription: d\n")
    (tmp_path / "deb").mkdir()
    run(
        [
            "dpkg-deb",
            "--root-owner-group",
            "--build",
            str(tmp_path / "tree"),
            str(tmp_path / "deb/tiny_1_all.deb"),
        ]
    )
    return tmp_path / "deb"


def test_what_apt_would_fetch_is_read_without_its_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "_apt", lambda *_: SAID.format("a" * 64, "b" * 64))
    assert apt.resolve(["bird2"]) == [
        Package(
            file="apt_3.0.4_amd64.deb",
            source="pool/updates/main/a/apt/apt_3.0.4_amd64.deb",
            size=1453,
            sha256="b" * 64,
        ),
        Package(
            file="bird2_2.17.1-1+b1_amd64.deb",
            source="pool/main/b/bird2/bird2_2.17.1-1%2bb1_amd64.deb",
            size=700,
            sha256="a" * 64,
        ),
    ]


def test_a_directory_becomes_an_archive_that_names_its_release(archive: Path) -> None:
    line = apt.serve(archive)
    assert line == f"deb [trusted=yes] copy:{archive} ./"
    packages = (archive / "Packages").read_text()
    checksum = hashlib.sha256((archive / "tiny_1_all.deb").read_bytes()).hexdigest()
    assert "Package: tiny\n" in packages
    assert (
        f"Filename: ./tiny_1_all.deb\nSize: {(archive / 'tiny_1_all.deb').stat().st_size}\nSHA256: {checksum}\n"
        in packages
    )
    release = (archive / "Release").read_text()
    assert f"Codename: {debian.SUITE}\n" in release
    assert hashlib.sha256(packages.encode()).hexdigest() in release
