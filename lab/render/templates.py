"""The templates of the directory templates/, filled in with what a topology says."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from lab.topology.model import Machine, NetworkName

TEMPLATES: Final = Path(__file__).resolve().parents[2] / "templates"


def render(template: str, **values: object) -> str:
    """Return the text that `template` makes of the values; raises jinja2.UndefinedError when it asks for another one."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["svg.j2"], default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"addresses": _addresses, "px": _pixels}
    return environment


def _addresses(machine: Machine, network: NetworkName | None = None) -> list[str]:
    """Return the machine's addresses without their prefix lengths, of one network or of all, the client's first."""
    interfaces = machine.interfaces[::-1] if network is None else (machine.interface(network),)
    return [str(address.ip) for interface in interfaces for address in interface.addresses]


def _pixels(length: float) -> str:
    return f"{length:g}"
