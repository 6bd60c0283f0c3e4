"""asyncio pumps: sockets and timers around the protocols of wire; no policy."""
