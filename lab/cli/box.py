"""`lab box`: the box that virtual machines start from, made of Debian's packages alone."""

from __future__ import annotations

import time
from collections.abc import Iterable

import click

from lab.cli.options import json_option
from lab.cli.output import print_json
from lab.cli.privilege import become_root
from lab.cli.progress import Progress
from lab.errors import UsageError
from lab.machines.vagrant import box
from lab.topology.model import Hypervisor

hypervisor_option = click.option(
    "--for",
    "hypervisor",
    type=click.Choice([hypervisor.value for hypervisor in Hypervisor]),
    default=Hypervisor.LIBVIRT.value,
    show_default=True,
    help="What the machines run under.",
)


@click.group
def command() -> None:
    """Build, list and remove the lab's own box. A lab.yml may name a public one instead."""


@command.command
@hypervisor_option
@json_option
def build(hypervisor: str, as_json: bool) -> None:
    """Build the box unless it is in the cache. Takes one to two minutes and needs a Debian mirror."""
    wanted = Hypervisor(hypervisor)
    begun = time.monotonic()
    made = box.find(wanted)
    if made is None:
        become_root("unpack Debian's packages")
        report = Progress(quiet=as_json)
        with report.step("build the box"):
            made = box.build(wanted, report.detail)
    if as_json:
        print_json(_json(made) | {"seconds": round(time.monotonic() - begun, 1)})
    else:
        click.echo(_line(made))


@command.command("list")
@json_option
def list_boxes(as_json: bool) -> None:
    """Show the boxes in the cache; the one that the present recipe makes is marked."""
    boxes = box.found()
    if as_json:
        print_json({"boxes": [_json(found) for found in boxes]})
    else:
        _print(_line(found) for found in boxes)


@command.command
@click.argument("version", required=False)
@click.option("--all", "every", is_flag=True, help="Remove all of them, the present one too.")
def remove(version: str | None, every: bool) -> None:
    """Remove the boxes of VERSION from the cache, or those of former recipes. Vagrant's own copies stay."""
    boxes = box.found()
    doomed = [b for b in boxes if every or (b.version == version if version else not b.current)]
    if version and not doomed:
        known = ", ".join(sorted({b.version for b in boxes})) or "none"
        raise UsageError(f"there is no box of version {version}", hint=f"versions: {known}")
    if doomed:
        become_root("remove what root built")
    for found in doomed:
        box.remove(found)
    _print(f"removed {found.hypervisor} {found.version}" for found in doomed)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


def _line(found: box.Box) -> str:
    mark = "current" if found.current else "former"
    size = found.file.stat().st_size >> 20
    return f"{found.hypervisor:<10}  {found.version:<16}  {mark:<7}  {size:>4} MiB  {found.file}"


def _json(found: box.Box) -> dict[str, object]:
    return {
        "version": found.version,
        "hypervisor": found.hypervisor.value,
        "file": str(found.file),
        "sha256": found.checksum,
        "bytes": found.file.stat().st_size,
        "current": found.current,
    }
