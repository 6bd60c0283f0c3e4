"""A guestbook in two tiers, the classic multi-tier sample: a web page in front, a store behind it.

    python3 guestbook.py store          keeps entries in memory; GET and POST /entries on port 8000
    python3 guestbook.py front          the page, on port 80; finds the store at $GUESTBOOK_STORE

One file without dependencies: it is copied into an image as it is.
"""

from __future__ import annotations

import html
import json
import os
import socket
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

STORE_PORT = 8000
FRONT_PORT = 80
STORE = "guestbook-store:8000"
LIMIT = 100
"""Entries that are kept, and characters of each that are shown."""
BODY_LIMIT = 1 << 16
PAGE = """\
<!DOCTYPE html>
<html>
<head><title>Guestbook</title></head>
<body>
<h1>Guestbook</h1>
<form method="post"><input name="message" maxlength="100" autofocus><button>Submit</button></form>
<ul>
{entries}
</ul>
<p>Page by {pod} on {node}, entries by {store}.</p>
</body>
</html>
"""


class Handler(BaseHTTPRequestHandler):
    """What both tiers share."""

    protocol_version = "HTTP/1.1"

    def answer(self, status: HTTPStatus, body: bytes, content_type: str, **headers: str) -> None:
        self.send_response(status)
        pod, node = socket.gethostname(), os.environ.get("LAB_NODE_NAME", "")
        for name, value in {"Content-Type": content_type, "X-Pod": pod, "X-Node": node, **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(min(int(self.headers.get("Content-Length") or 0), BODY_LIMIT))


class StoreHandler(Handler):
    """The store: a list of texts."""

    entries: list[str] = []  # noqa: RUF012 -- shared by all connections on purpose

    def do_GET(self) -> None:
        document = {"entries": self.entries, "store": socket.gethostname()}
        self.answer(HTTPStatus.OK, json.dumps(document).encode(), "application/json")

    def do_POST(self) -> None:
        self.entries.append(self.body().decode(errors="replace")[:LIMIT])
        del self.entries[:-LIMIT]
        self.answer(HTTPStatus.CREATED, b"{}", "application/json")


class FrontHandler(Handler):
    """The page."""

    def do_GET(self) -> None:
        try:
            document = ask(None)
        except (OSError, HTTPException, ValueError) as error:
            text = f"the store at {store_address()} does not answer: {error}\n"
            self.answer(HTTPStatus.BAD_GATEWAY, text.encode(), "text/plain")
            return
        entries = "\n".join(f"<li>{html.escape(each)}</li>" for each in document["entries"])
        page = PAGE.format(
            entries=entries,
            pod=socket.gethostname(),
            node=os.environ.get("LAB_NODE_NAME", "an unknown node"),
            store=document["store"],
        )
        self.answer(HTTPStatus.OK, page.encode(), "text/html; charset=utf-8")

    def do_POST(self) -> None:
        message = parse_qs(self.body().decode(errors="replace")).get("message", [""])[0].strip()
        try:
            if message:
                ask(message.encode())
        except (OSError, HTTPException, ValueError) as error:
            text = f"the store at {store_address()} does not answer: {error}\n"
            self.answer(HTTPStatus.BAD_GATEWAY, text.encode(), "text/plain")
        else:
            self.answer(HTTPStatus.SEE_OTHER, b"", "text/plain", Location="/")


def store_address() -> str:
    return os.environ.get("GUESTBOOK_STORE", STORE)


def ask(entry: bytes | None) -> dict[str, list[str]]:
    """Return what the store has or, with an entry, add it; raises OSError, HTTPException, ValueError."""
    connection = HTTPConnection(store_address(), timeout=2)
    try:
        connection.request("GET" if entry is None else "POST", "/entries", body=entry)
        document: dict[str, list[str]] = json.loads(connection.getresponse().read())
        return document
    finally:
        connection.close()


def main() -> None:
    """Serve the tier that the first argument names."""
    tiers = {"store": (STORE_PORT, StoreHandler), "front": (FRONT_PORT, FrontHandler)}
    port, handler = tiers[sys.argv[1]]
    ThreadingHTTPServer(("", port), handler).serve_forever()


if __name__ == "__main__":
    main()
