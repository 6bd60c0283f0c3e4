"""kubectl on the client, as the user that the tutorials have."""

from __future__ import annotations

import json
import shlex
from typing import Any

Object = dict[str, Any]


class Kubectl:
    """kubectl as a function: `kubectl("get", "pods")` returns what it prints, and fails the test when it fails."""

    def __init__(self, user: Any) -> None:
        """`user` is the user's shell on the client, as a testinfra host."""
        self._user = user

    def __call__(self, *argv: str) -> str:
        return str(self._user.check_output(_line(argv)))

    def try_(self, *argv: str) -> Any:
        """Return the result whether or not it succeeds."""
        return self._user.run(_line(argv))

    def json(self, *argv: str) -> Any:
        return json.loads(self(*argv, "--output=json"))

    def apply(self, *objects: Object) -> None:
        """Create or change the objects."""
        documents = shlex.quote("\n".join(map(json.dumps, objects)))
        self._user.check_output(f"printf %s {documents} | kubectl apply --filename=-")


def _line(argv: tuple[str, ...]) -> str:
    return shlex.join(["kubectl", *argv])
