"""The object store: what etcd and the watch cache are to a kube-apiserver.

Objects live in memory as encoded JSON; SQLite beside them makes every acknowledged write durable. One counter, the
revision, orders all writes and is every object's `resourceVersion`. Reads and watches see committed revisions only, so
that no client ever learns of a write that a crash could take back; writers see the writes in flight as well, so that two
of them never build on the same state.

    rows.py      the values: Key, Row, Event, Change
    log.py       recent events by resource: where watches read
    database.py  the SQLite file
    store.py     the store itself: group commit, publication, snapshots
"""

from lab.pocket.store.log import Compacted
from lab.pocket.store.rows import Change, Event, EventType, Key, Object, Row
from lab.pocket.store.store import Limits, Store, StoreError, UnencodableError, opened

__all__ = [
    "Change",
    "Compacted",
    "Event",
    "EventType",
    "Key",
    "Limits",
    "Object",
    "Row",
    "Store",
    "StoreError",
    "UnencodableError",
    "opened",
]
