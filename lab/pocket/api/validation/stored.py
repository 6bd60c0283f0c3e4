"""Events and webhook configurations: kinds that are kept for others and not acted on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.pocket.api import field, names
from lab.pocket.api.field import FieldError
from lab.pocket.api.validation.rules import checked, one_of

__all__ = ["event_errors", "new_event_errors", "webhooks_errors"]

Object = dict[str, Any]
_MOST_REASON, _MOST_NOTE = 128, 1024


def event_errors(event: Object) -> Iterator[FieldError]:
    """Yield what is wrong with a core/v1 Event, of which the old rules hold."""
    namespace, about = (
        event["metadata"].get("namespace", ""),
        event.get("involvedObject", {}).get("namespace", ""),
    )
    if (about and about != namespace) or (not about and namespace not in {"", "default", "kube-system"}):
        yield field.invalid("involvedObject.namespace", about, "does not match event.namespace")


def new_event_errors(event: Object) -> Iterator[FieldError]:
    """Yield what is wrong with an events.k8s.io/v1 Event."""
    controller = event.get("reportingController", "")
    if not controller:
        yield field.required("reportingController")
    yield from checked(controller, names.qualified_name, "reportingController")
    for name in ("reportingInstance", "action", "reason"):
        if not event.get(name):
            yield field.required(name)
        elif len(event[name]) > _MOST_REASON:
            yield field.invalid(name, "", f"can have at most {_MOST_REASON} characters")
    if event.get("type") not in {"Normal", "Warning"}:
        kind = event.get("type", "")
        yield field.invalid("type", "", f"has invalid value: {kind}")
    if len(event.get("note", "")) > _MOST_NOTE:
        yield field.invalid("note", "", f"can have at most {_MOST_NOTE} characters")


def webhooks_errors(configuration: Object) -> Iterator[FieldError]:
    """Yield what is wrong with a validating or mutating webhook configuration."""
    taken: set[str] = set()
    for index, webhook in enumerate(configuration.get("webhooks") or ()):
        path, name = f"webhooks[{index}]", webhook.get("name", "")
        wrong = (
            list(checked(name, names.dns_subdomain, f"{path}.name"))
            if name
            else [field.required(f"{path}.name")]
        )
        yield from wrong
        if not wrong and name.count(".") < 2:
            detail = "should be a domain with at least three segments separated by dots"
            yield field.invalid(f"{path}.name", name, detail)
        if name in taken:
            yield field.duplicate(f"{path}.name", name)
        taken.add(name)
        yield from one_of(webhook.get("sideEffects"), ("None", "NoneOnDryRun"), f"{path}.sideEffects")
        client = webhook.get("clientConfig", {})
        if ("url" in client) == ("service" in client):
            yield field.required(f"{path}.clientConfig", "exactly one of url or service is required")
        if not webhook.get("admissionReviewVersions"):
            yield field.required(f"{path}.admissionReviewVersions", "must specify one of v1, v1beta1")
