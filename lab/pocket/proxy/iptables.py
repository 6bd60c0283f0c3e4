"""The kernel's tables of one address family, through the programs of the iptables package."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from lab.kits.log import Log
from lab.kits.shell import CommandError, run
from lab.pocket.proxy import restore
from lab.pocket.proxy.model import Family
from lab.pocket.proxy.rules import CANARY, RuleSet

log = Log(__name__)
WAIT: Final = ("-w", "5")
"""Seconds to wait for another program that holds the tables' lock."""
TIMEOUT: Final = 120.0
ROUTE_LOCALNET: Final = Path("/proc/sys/net/ipv4/conf/all/route_localnet")


class Iptables:
    """Writes rule sets and remembers the last one, so that the next costs only the difference."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self._program = "iptables" if family is Family.IPV4 else "ip6tables"
        self._written: RuleSet | None = None

    async def apply(self, wanted: RuleSet) -> None:
        """Make the kernel's rules `wanted`, whole or not at all; raises CommandError.

        After an error the next call starts from what the kernel really has.
        """
        written, self._written = self._written, None
        if written is None:
            await self._rewrite(wanted)
        else:
            try:
                await self._restore(restore.change(written, wanted))
            except CommandError as error:
                log.warning("could not change the rules, write them all", error=error.message)
                await self._rewrite(wanted)
        self._written = wanted

    async def check(self) -> None:
        """Notice that someone flushed our chains: then the next `apply` writes everything."""
        for table in restore.TABLES:
            try:
                await asyncio.to_thread(
                    run, [self._program, *WAIT, "-t", table, "-S", CANARY], timeout=TIMEOUT
                )
            except CommandError:
                if self._written is not None:
                    log.warning("the rules were flushed by someone else", table=table)
                self._written = None

    async def remove(self) -> None:
        """Take all rules of a proxy out of the kernel; raises CommandError."""
        self._written = None
        await self._restore([restore.remove(await self._kernel())])

    async def _rewrite(self, wanted: RuleSet) -> None:
        if self.family is Family.IPV4:
            with suppress(OSError):  # read-only in some containers: node ports on 127.0.0.1 do not work there
                ROUTE_LOCALNET.write_text("1")
        await self._restore(restore.rewrite(await self._kernel(), wanted))

    async def _kernel(self) -> restore.Kernel:
        return restore.read_saved(await asyncio.to_thread(run, [f"{self._program}-save"], timeout=TIMEOUT))

    async def _restore(self, texts: Sequence[str]) -> None:
        command = [f"{self._program}-restore", *WAIT, "--noflush"]
        for text in texts:
            await asyncio.to_thread(run, command, stdin=text, timeout=TIMEOUT)
