"""The SQLite file under the store: current objects, and the recent events that let watches resume after a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab.errors import BusyError
from lab.pocket.store.rows import Event, EventType, Key, Row

# WAL with synchronous=NORMAL: a commit is handed to the kernel before it returns, so a process killed at any instant loses
# nothing that was acknowledged. Only a power cut can take back the last commits, never tear them; FULL would pay an fsync
# a commit for that case, in which a lab on one machine loses all its clients as well.
# The file is locked for as long as the process lives: two servers on one store would each hide the other's writes.
LOCK_SECONDS = 2
SCHEMA = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA journal_size_limit = 16777216;
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL, data BLOB NOT NULL,
    UNIQUE (resource, namespace, name)
);
CREATE TABLE IF NOT EXISTS log (
    revision INTEGER PRIMARY KEY, type TEXT NOT NULL, resource TEXT NOT NULL, namespace TEXT NOT NULL,
    name TEXT NOT NULL, data BLOB NOT NULL, previous_revision INTEGER, previous BLOB
);
CREATE TABLE IF NOT EXISTS compaction (id INTEGER PRIMARY KEY CHECK (id = 0), revision INTEGER NOT NULL);
INSERT OR IGNORE INTO compaction VALUES (0, 0);
"""


class Database:
    """Blocking access to the file; one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            BusyError: another process has it open, or it cannot be opened at all.

        """
        self._db = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            self._db.executescript(SCHEMA)
        except sqlite3.OperationalError as error:
            self._db.close()
            raise BusyError(f"cannot use the store {path}: {error}") from error

    def close(self) -> None:
        self._db.close()

    def compacted(self) -> int:
        """Return the revision up to which the log was dropped."""
        (revision,) = self._db.execute("SELECT revision FROM compaction").fetchone()
        return int(revision)

    def rows(self) -> Iterator[Row]:
        for resource, namespace, name, revision, data in self._db.execute(
            "SELECT resource, namespace, name, revision, data FROM objects"
        ):
            yield Row(Key(resource, namespace, name), revision, data)

    def events(self) -> Iterator[Event]:
        """Yield the events of the log, oldest first."""
        query = "SELECT type, resource, namespace, name, revision, data, previous_revision, previous FROM log"
        for kind, resource, namespace, name, revision, data, before, previous in self._db.execute(
            f"{query} ORDER BY revision"
        ):
            key = Key(resource, namespace, name)
            old = None if previous is None else Row(key, before, previous)
            yield Event(EventType(kind), Row(key, revision, data), old)

    def commit(self, events: Sequence[Event], compacted: int) -> None:
        """Write a batch in one transaction and drop the log up to `compacted`; returns when it is durable."""
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(_log_record, events))
            for event in events:
                if event.type is EventType.DELETED:
                    db.execute(
                        "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?", event.row.key
                    )
                else:
                    db.execute(
                        "INSERT INTO objects VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
                        "SET revision = excluded.revision, data = excluded.data",
                        (*event.row.key, event.revision, event.row.data),
                    )
            db.execute("DELETE FROM log WHERE revision <= ?", (compacted,))
            db.execute("UPDATE compaction SET revision = ?1 WHERE revision < ?1", (compacted,))
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")


def _log_record(event: Event) -> tuple[object, ...]:
    before = event.previous
    return (
        event.revision,
        event.type.value,
        *event.row.key,
        event.row.data,
        before.revision if before else None,
        before.data if before else None,
    )
