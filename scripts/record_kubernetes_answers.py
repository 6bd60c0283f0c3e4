#!/usr/bin/env python3
"""Ask a real kube-apiserver what it answers to the requests of tests/vectors/kubernetes, and write the answers down.

usage: scripts/record_kubernetes_answers.py https://127.0.0.1:6443 TOKEN FILE...

A file holds `setup`, requests made once and for good, and `cases`, asked as dry runs; each case gets its `answer`. The
unit tests of `lab.pocket.api` compare with the answers, so a real server decides what is right. Never run this against
a cluster that you care about: `setup` stays there.
"""

from __future__ import annotations

import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

TYPES = {"PATCH": "application/merge-patch+json"}
JSON, TABLE = "application/json", "application/json;as=Table;v=v1;g=meta.k8s.io"
VOLATILE = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation")


def ask(server: str, token: str, request: dict[str, Any], query: str = "") -> tuple[int, Any, list[str]]:
    """Send one request; returns the code, the decoded body and the Warning headers."""
    method = request.get("method", "POST")
    path = request["path"]
    url = server + path + (("&" if "?" in path else "?") + query if query else "")
    kind = request.get("type") or TYPES.get(method, "application/json")
    headers = {
        "Accept": request.get("accept", JSON),
        "Authorization": f"Bearer {token}",
        "Content-Type": kind,
    }
    body = json.dumps(request["body"]).encode() if "body" in request else None
    call = urllib.request.Request(url, body, headers, method=method)  # noqa: S310  # the server of the command line
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(call, context=context, timeout=30) as reply:  # noqa: S310
            return reply.status, json.load(reply), reply.headers.get_all("Warning") or []
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), error.headers.get_all("Warning") or []


def answer(code: int, body: Any, warnings: list[str]) -> dict[str, Any]:
    """Return what is worth comparing: the object without what changes from day to day, or the causes, sorted."""
    said: dict[str, Any] = {"code": code}
    if code >= 300:
        causes = body.get("details", {}).get("causes")
        said["message"] = body["message"]
        if causes:
            said["causes"] = sorted(
                causes, key=lambda cause: (cause.get("field", ""), cause.get("message", ""))
            )
    else:
        for name in VOLATILE:
            body["metadata"].pop(name, None)
        said["object"] = body
    if warnings:
        said["warnings"] = sorted(json.loads(text.split(" ", 2)[2]) for text in warnings)
    return said


def main() -> None:
    server, token, *files = sys.argv[1:]
    for file in map(Path, files):
        vectors = json.loads(file.read_text())
        for request in vectors.get("setup", []):
            if request.get("method", "POST") != "POST":
                ask(server, token, request)
                continue
            there = {"method": "GET", "path": f"{request['path']}/{request['body']['metadata']['name']}"}
            if ask(server, token, there)[0] == 200:
                continue
            code, body, _ = ask(server, token, request)
            if code != 201:
                sys.exit(f"{file}: {request['path']}: {body['message']}")
        time.sleep(3 if vectors.get("setup") else 0)
        for case in vectors["cases"]:
            if case.get("method") == "GET":
                listed, table = (
                    ask(server, token, {**case, "accept": accept})[1] for accept in (JSON, TABLE)
                )
                for item in listed["items"]:
                    item["metadata"].pop("managedFields", None)
                for row in table["rows"]:
                    row.pop("object")
                case |= {"list": listed, "table": table}
                continue
            case["answer"] = answer(*ask(server, token, case, "dryRun=All&fieldValidation=Warn"))
        lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in vectors["cases"])
        head = json.dumps(vectors.get("setup", []), ensure_ascii=False, indent=1)
        file.write_text(f'{{"setup": {head},\n"cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
