"""Converts the ConfigMap of old installations once for each content that it has, and says so in an event.

From then on the objects count: what exists already is not touched, so nothing that a user changed is undone.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final, Never

from lab.balancer.config.legacy import Converted, LegacyError, convert, parse
from lab.errors import ApiError
from lab.kits.backoff import Backoff
from lab.kits.log import Log
from lab.kube.client import Client
from lab.kube.errors import AlreadyExists
from lab.kube.events import EventType, Recorder, reference_to
from lab.kube.resources import CONFIG_MAPS, Json
from lab.kube.watch import Reflector, without_managed_fields

log = Log(__name__)
NAME: Final = "config"
CONVERTED: Final = "metallb.io/converted"
"""Annotation: digest of the content that was converted."""


class LegacyConfiguration:
    """Follows the ConfigMap `config` of our namespace."""

    def __init__(self, client: Client, recorder: Recorder, *, namespace: str) -> None:
        self._client = client
        self._recorder = recorder
        self._namespace = namespace
        self._changed = asyncio.Event()
        self.reflector: Reflector[Json] = Reflector(
            client,
            CONFIG_MAPS,
            without_managed_fields,
            on_change=lambda _: self._changed.set(),
            namespace=namespace,
            fields=f"metadata.name={NAME}",
        )

    async def run(self) -> Never:
        """Convert what comes, until cancelled."""
        backoff = Backoff(first=1.0, limit=60.0)
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                for item in list(self.reflector.store.values()):
                    await self.convert(item)
            except ApiError as error:
                log.warning("could not convert the old configuration", error=error.message)
                self._changed.set()
                await asyncio.sleep(backoff.delay())
            else:
                backoff.reset()

    async def convert(self, item: Json) -> None:
        """Create the objects that stand for the ConfigMap, unless that was done; raises ApiError."""
        text = (item.get("data") or {}).get(NAME, "")
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        if not text or (item["metadata"].get("annotations") or {}).get(CONVERTED) == digest:
            return
        try:
            objects = convert(parse(text), namespace=self._namespace)
        except LegacyError as error:
            self._say(item, EventType.WARNING, "ConfigMapInvalid", f"cannot be converted: {error.message}")
        else:
            created = [str(item["kind"]) for item in await self._create(objects)]
            names = ", ".join(f"{resource.kind} {made['metadata']['name']}" for resource, made in objects)
            text = f"converted to {names} ({len(created)} new); change those from now on, and delete this ConfigMap"
            self._say(item, EventType.NORMAL, "ConfigMapConverted", text)
        patch = {"metadata": {"annotations": {CONVERTED: digest}}}
        await self._client.patch(CONFIG_MAPS, NAME, patch, namespace=self._namespace)

    async def _create(self, objects: Converted) -> list[Json]:
        created = []
        for resource, item in objects:
            try:
                created.append(await self._client.create(resource, item))
            except AlreadyExists:
                log.info(
                    "object exists already, it is not converted", kind=resource.kind, item=item["metadata"]
                )
        return created

    def _say(self, item: Json, kind: EventType, reason: str, message: str) -> None:
        reference = reference_to({"apiVersion": "v1", "kind": "ConfigMap", **item})
        self._recorder.record(reference, type=kind, reason=reason, message=message)
