from __future__ import annotations

import asyncio
from http import HTTPStatus

import pytest

from lab.kits.http_server import Response, serving

ROUTES = {"/healthz": Response, "/readyz": lambda: Response("not yet\n", HTTPStatus.SERVICE_UNAVAILABLE)}


@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        ("GET /healthz HTTP/1.1", "200 OK", "ok\n"),
        ("GET /healthz?verbose HTTP/1.1", "200 OK", "ok\n"),
        ("GET /readyz HTTP/1.1", "503 Service Unavailable", "not yet\n"),
        ("GET /secret HTTP/1.1", "404 Not Found", "not found\n"),
        ("POST /healthz HTTP/1.1", "405 Method Not Allowed", "only GET\n"),
        ("", "404 Not Found", "not found\n"),
    ],
)
def test_answers(request_line: str, status: str, body: str) -> None:
    async def main() -> str:
        async with serving(ROUTES, host="127.0.0.1", port=0) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"{request_line}\r\n\r\n".encode())
            answer = (await reader.read()).decode()
            writer.close()
            await writer.wait_closed()
            return answer

    head, _, rest = asyncio.run(asyncio.wait_for(main(), 5)).partition("\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status}\r\n")
    assert rest == body


def test_a_client_that_says_nothing_does_not_keep_the_server_from_stopping() -> None:
    async def main() -> None:
        async with serving(ROUTES, host="127.0.0.1", port=0) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.sleep(0.01)
        writer.close()
        await writer.wait_closed()

    asyncio.run(asyncio.wait_for(main(), 2))
