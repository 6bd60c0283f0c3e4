"""What pods can be asked for: a node, to leave it, and the streams that their node's agent serves."""

from __future__ import annotations

from aiohttp import web

from lab.pocket.apiserver import bodies, metadata, processing, representation
from lab.pocket.apiserver.errors import bad_request, conflict, forbidden, not_found
from lab.pocket.apiserver.request import RequestInfo
from lab.pocket.apiserver.state import Call, shared
from lab.pocket.apiserver.verbs.creating import check_kind, set_name
from lab.pocket.apiserver.verbs.deleting import delete_row
from lab.pocket.apiserver.verbs.updating import store_new_state
from lab.pocket.store import Object


async def bind(call: Call) -> web.StreamResponse:
    """Put a pod on a node, once: pods/binding, and POST of a Binding."""
    binding = await bodies.read_object(call.request)
    check_kind(call, binding, kind="Binding", api_version="v1")
    binding = processing.process_request(call, binding)
    name = call.info.name or binding["metadata"].get("name", "")
    if binding["metadata"].get("name", name) != name or not name:
        raise bad_request(f"name in URL does not match name in Binding object: {name}")
    target = binding["target"]
    if target.get("kind", "Node") != "Node" or not target.get("name"):
        raise bad_request("target.name: Required value")
    await _bind(_pod_call(call, name), target["name"], binding["metadata"].get("annotations") or {})
    return representation.answer_status(code=201)


async def _bind(call: Call, node: str, annotations: Object) -> None:
    row = call.latest()
    pod = row.decoded()
    if "deletionTimestamp" in pod["metadata"]:
        raise conflict(call.about, f"pod {call.info.name} is being deleted, cannot be assigned to a host")
    assigned = pod.setdefault("spec", {}).get("nodeName")
    if assigned:
        raise conflict(call.about, f'pod {call.info.name} is already assigned to node "{assigned}"')
    pod["spec"]["nodeName"] = node
    if annotations:
        pod["metadata"].setdefault("annotations", {}).update(annotations)
    conditions = [c for c in pod["status"].get("conditions", ()) if c.get("type") != "PodScheduled"]
    scheduled = {
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": metadata.now(),
    }
    pod["status"]["conditions"] = [*conditions, scheduled]
    await store_new_state(call, row, pod)


async def evict(call: Call) -> web.StreamResponse:
    """Delete a pod on behalf of a drain. There are no disruption budgets here, so nothing holds it back."""
    eviction = await bodies.read_object(call.request)
    check_kind(call, eviction, kind="Eviction", api_version="policy/v1")
    eviction = processing.process_request(call, eviction)
    if eviction["metadata"].get("name", call.info.name) != call.info.name:
        raise bad_request("name in URL does not match name in Eviction object")
    await delete_row(call, call.latest(), eviction.get("deleteOptions") or {})
    return representation.answer_status(code=201)


async def stream(call: Call) -> web.StreamResponse:
    """Pass log, exec, attach and portforward on to the pod's node."""
    row = call.store.get(call.key)
    if row is None:
        raise not_found(call.about)
    _check_may_create(call)
    return await call.state.kubelets.forward(call.request, shared(row), call.info.subresource)


def _check_may_create(call: Call) -> None:
    """A WebSocket opens with GET; who may only read must not run anything by it (KEP-4006)."""
    if call.info.subresource == "log" or call.info.verb != "get":
        return
    info = RequestInfo(
        "create", "", "", "v1", "pods", call.info.namespace, call.info.name, call.info.subresource
    )
    if not call.state.authorizer.allows(call.user, info):
        raise forbidden(call.about, call.state.authorizer.refusal(call.user, info))


def _pod_call(call: Call, name: str) -> Call:
    """Return the call as one for the pod itself: a Binding may be posted to `bindings` too."""
    pods = call.state.registry.get("", "v1", "pods")
    if pods is None:
        raise not_found(call.about)
    pod_call = Call(call.state, call.request, call.info, call.user, pods, call.query)
    set_name(pod_call, name)
    return pod_call
