"""kubectl on the client, as the user that the tutorials have."""

from __future__ import annotations

import json
import shlex
from typing import Any

USER = "vagrant"
Object = dict[str, Any]


class Kubectl:
    """kubectl as a function: `kubectl("get", "pods")` returns what it prints, and fails the test when it fails."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __call__(self, *argv: str) -> str:
        return str(self._client.check_output(*self._as_user("kubectl %s", argv)))

    def try_(self, *argv: str) -> Any:
        """Return the result whether or not it succeeds."""
        return self._client.run(*self._as_user("kubectl %s", argv))

    def json(self, *argv: str) -> Any:
        return json.loads(self(*argv, "--output=json"))

    def apply(self, *objects: Object) -> None:
        """Create or change the objects."""
        documents = shlex.quote("\n".join(map(json.dumps, objects)))
        line = f"printf %s {documents} | kubectl apply --filename=-"
        self._client.check_output("runuser --login %s --command %s", USER, line)

    @staticmethod
    def _as_user(line: str, argv: tuple[str, ...]) -> tuple[str, str, str]:
        return ("runuser --login %s --command %s", USER, line % shlex.join(argv))
