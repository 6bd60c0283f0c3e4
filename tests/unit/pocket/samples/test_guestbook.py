from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from lab.pocket.samples.guestbook import FrontHandler, Handler, StoreHandler


def serve(handler: type[Handler]) -> tuple[ThreadingHTTPServer, str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}/"


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Handler, "log_message", lambda *_: None)
    monkeypatch.setattr(StoreHandler, "entries", [])
    store, store_url = serve(StoreHandler)
    monkeypatch.setenv("GUESTBOOK_STORE", store_url.removeprefix("http://").rstrip("/"))
    page, url = serve(FrontHandler)
    yield url
    for each in (page, store):
        each.shutdown()
        each.server_close()


def fetch(url: str, data: bytes | None = None) -> str:
    with urlopen(url, data=data, timeout=5) as answer:  # noqa: S310 -- our own server
        assert answer.headers["X-Pod"]
        return str(answer.read().decode())


def test_what_is_written_is_shown(front):
    assert "<h1>Guestbook</h1>" in fetch(front)
    assert "<li>hello &lt;world&gt;</li>" in fetch(front, b"message=hello+%3Cworld%3E")
    assert fetch(front).count("<li>") == 1


def test_nothing_written_is_nothing_shown(front):
    assert "<li>" not in fetch(front, b"message=++")


def test_a_missing_store_is_named(front, monkeypatch):
    monkeypatch.setenv("GUESTBOOK_STORE", "127.0.0.1:1")
    with pytest.raises(HTTPError) as failure:
        fetch(front)
    assert failure.value.code == 502
    assert b"the store at 127.0.0.1:1 does not answer" in failure.value.read()
    failure.value.close()
