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


def play(server: str, token: str, scenario: dict[str, Any]) -> None:
    """Ask the requests of a scenario one after the other, for good, beginning without the object."""
    steps = scenario["steps"]
    ask(server, token, {"method": "DELETE", "path": scenario["object"]})
    time.sleep(1)
    for step in steps:
        code, body, warnings = ask(server, token, step)
        managers = body.get("metadata", {}).get("managedFields", [])
        step["answer"] = answer(code, body, warnings)
        for entry in managers:
            entry.pop("time", None)
        if code < 300:
            step["answer"]["managers"] = managers
        time.sleep(1)  # so that times, by which managers are sorted, differ


def prepare(server: str, token: str, requests: list[dict[str, Any]]) -> None:
    """Make what the cases need, once: what is there already stays."""
    for request in requests:
        if request.get("method", "POST") != "POST":
            ask(server, token, request)
            continue
        there = {"method": "GET", "path": f"{request['path']}/{request['body']['metadata']['name']}"}
        if ask(server, token, there)[0] != 200:
            code, body, _ = ask(server, token, request)
            if code != 201:
                sys.exit(f"{request['path']}: {body['message']}")
    time.sleep(3 if requests else 0)


def listed(server: str, token: str, case: dict[str, Any]) -> dict[str, Any]:
    """Return a list in two forms: its objects, and the table that kubectl would get."""
    objects, table = (ask(server, token, {**case, "accept": accept})[1] for accept in (JSON, TABLE))
    for item in objects["items"]:
        item["metadata"].pop("managedFields", None)
    for row in table["rows"]:
        row.pop("object")
    return {"list": objects, "table": table}


def lines(items: list[dict[str, Any]]) -> str:
    return ",\n".join(json.dumps(item, ensure_ascii=False) for item in items)


def main() -> None:
    server, token, *files = sys.argv[1:]
    for file in map(Path, files):
        vectors = json.loads(file.read_text())
        prepare(server, token, vectors.get("setup", []))
        for scenario in vectors.get("scenarios", []):
            play(server, token, scenario)
        for case in vectors["cases"]:
            if case.get("method") == "GET":
                case.update(listed(server, token, case))
            else:
                case["answer"] = answer(*ask(server, token, case, "dryRun=All&fieldValidation=Warn"))
        parts = (
            f'"{name}": [\n{lines(vectors.get(name, []))}\n]' for name in ("setup", "scenarios", "cases")
        )
        file.write_text("{" + ",\n".join(parts) + "}\n")


if __name__ == "__main__":
    main()
