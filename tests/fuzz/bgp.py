"""Throw damaged messages at the codec and at sessions for as long as asked.

    python -m tests.fuzz.bgp --messages 10000000 [--seed N]

Each message must give a value or an error with the NOTIFICATION to send; each session must survive whatever arrives.
Prints JSON; exits 1 with the offending bytes when anything else happens.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address

from lab.wire.bgp import Asn, Direction, Family, MessageError, Restart, Session, SessionConfig
from lab.wire.bgp.constants import HEADER_LENGTH, MARKER, MessageType
from lab.wire.bgp.messages import Dialect, Reader, decode_message
from tests.fuzz.bgp_seeds import SEEDS

MESSAGES_PER_SESSION = 16


@dataclass(frozen=True)
class Tally:
    messages: int = 0
    values: int = 0
    refused: int = 0
    sessions: int = 0


def damaged(seed: bytes, rng: random.Random) -> bytes:
    """Flip, cut, repeat or insert a few octets of a good body, and give it a header that fits."""
    body = bytearray(seed[HEADER_LENGTH:])
    kind = seed[18] if rng.random() < 0.9 else rng.randrange(1, 6)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(body) + 1)
        match rng.randrange(5):
            case 0 if at < len(body):
                body[at] = rng.randrange(256)
            case 1 if at < len(body):
                body[at] ^= 1 << rng.randrange(8)
            case 2:
                del body[at : at + rng.randrange(1, 9)]
            case 3:
                body[at:at] = rng.randbytes(rng.randrange(1, 9))
            case _:
                body[at:at] = body[at : at + rng.randrange(1, 32)]
    body = body[: 4096 - HEADER_LENGTH]
    return MARKER + (HEADER_LENGTH + len(body)).to_bytes(2) + bytes((kind,)) + bytes(body)


def decode(message: bytes, dialect: Dialect) -> bool:
    """Say whether the message gave a value; a refusal must carry an answer that can be sent."""
    try:
        for kind, body in Reader().bodies(message):
            decode_message(kind, body, dialect)
    except MessageError as error:
        error.notification.encode()
        return False
    return True


def converse(rng: random.Random, messages: list[bytes]) -> None:
    """Send good OPEN and KEEPALIVE first, mostly, then everything else, in pieces."""
    config = SessionConfig(
        local_asn=Asn(22000),
        peer_asn=Asn(11000),
        router_id=IPv4Address("10.0.0.51"),
        families=frozenset(Family),
        graceful_restart=Restart(),
    )
    session = Session(config, jitter=lambda: 1.0)
    session.announce({}, 0.0)
    session.start(0.0)
    session.connected(Direction.OUTGOING, IPv4Address("10.0.0.51"), 0.0)
    handshake = [SEEDS[MessageType.OPEN][0], SEEDS[MessageType.KEEPALIVE][0]] if rng.random() < 0.8 else []
    stream = b"".join([*handshake, *messages])
    now, position = 0.0, 0
    while position < len(stream):
        size = rng.choice([1, 19, 100, 4096])
        session.receive(Direction.OUTGOING, stream[position : position + size], now)
        position, now = position + size, now + rng.random()
        session.tick(now)
        session.outputs()


def fuzz(count: int, seed: int) -> Tally:
    rng = random.Random(seed)  # noqa: S311  # reproducible, not secret
    seeds = [message for messages in SEEDS.values() for message in messages]
    dialects = [Dialect(wide, external) for wide in (True, False) for external in (True, False)]
    values = sessions = 0
    batch: list[bytes] = []
    for _ in range(count):
        message = damaged(rng.choice(seeds), rng)
        batch.append(message)
        try:
            values += decode(message, rng.choice(dialects))
            if len(batch) == MESSAGES_PER_SESSION:
                converse(rng, batch)
                sessions += 1
                batch = []
        except Exception:
            print(json.dumps({"seed": seed, "batch": [m.hex() for m in batch or [message]]}))
            raise
    return Tally(count, values, count - values, sessions)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    started = time.monotonic()
    share = -(-options.messages // options.processes)
    with ProcessPoolExecutor(options.processes) as pool:
        seeds = [options.seed + n for n in range(options.processes)]
        tallies = list(pool.map(fuzz, [share] * options.processes, seeds))
    result = {field: sum(getattr(tally, field) for tally in tallies) for field in Tally.__dataclass_fields__}
    print(json.dumps(result | {"seconds": round(time.monotonic() - started, 1)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
