"""Who may do what: anonymous, RBAC, tokens, reviews."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator

import orjson
import pytest

from tests.contract.client import Api, Json, eventually

RBAC = "/apis/rbac.authorization.k8s.io/v1"
AUTHORIZATION = "/apis/authorization.k8s.io/v1"
AUTHENTICATION = "/apis/authentication.k8s.io/v1"


def token_request(**spec: object) -> Json:
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}


@pytest.fixture
def robot(api: Api, core: str) -> Api:
    """A client that is the ServiceAccount `robot`, without any rights of its own."""
    api.create(f"{core}/serviceaccounts", {"metadata": {"name": "robot"}})
    answer = api.create(f"{core}/serviceaccounts/robot/token", token_request(expirationSeconds=600))
    return api.with_token(answer["status"]["token"])


@pytest.fixture
def grant(api: Api, namespace: str) -> Iterator[object]:
    """Give the robot rules in its namespace."""

    def give(*rules: Json) -> None:
        path, name = f"{RBAC}/namespaces/{namespace}", f"r{uuid.uuid4().hex[:6]}"
        api.create(f"{path}/roles", {"metadata": {"name": name}, "rules": [*rules]})
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": namespace}],
        }
        api.create(f"{path}/rolebindings", binding)

    return give  # type: ignore[return-value]


def rule(verbs: str, resources: str, *, group: str = "", names: str = "") -> Json:
    named = {"resourceNames": names.split()} if names else {}
    return {"apiGroups": [group], "verbs": verbs.split(), "resources": resources.split(), **named}


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/version"])
def test_anybody_may_ask_for_health_and_version(api: Api, path: str) -> None:
    assert api.with_token("").send("GET", path).code == 200


@pytest.mark.parametrize("path", ["/api", "/apis", "/api/v1/namespaces", "/openapi/v3"])
def test_anybody_may_not_ask_for_more(api: Api, path: str) -> None:
    answer = api.with_token("").send("GET", path)
    assert answer.refusal in {(403, "Forbidden"), (401, "Unauthorized")}


def test_a_bad_token_is_nobody(api: Api) -> None:
    answer = api.with_token("not.a.token").send("GET", "/api/v1/namespaces")
    assert answer.refusal == (401, "Unauthorized")
    assert answer.body["message"] == "Unauthorized"


def test_a_token_says_who_it_is_for(api: Api, robot: Api, namespace: str) -> None:
    review = robot.create(f"{AUTHENTICATION}/selfsubjectreviews", {})
    user = review["status"]["userInfo"]
    assert user["username"] == f"system:serviceaccount:{namespace}:robot"
    assert {"system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"} <= set(
        user["groups"]
    )


def test_tokens_carry_the_claims_that_others_read(api: Api, core: str, namespace: str) -> None:
    account = api.create(f"{core}/serviceaccounts", {"metadata": {"name": "reader"}})
    request = token_request(audiences=["vault"], expirationSeconds=1200)
    answer = api.create(f"{core}/serviceaccounts/reader/token", request)
    payload = answer["status"]["token"].split(".")[1]
    claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["aud"] == ["vault"]
    assert claims["sub"] == f"system:serviceaccount:{namespace}:reader"
    assert claims["exp"] - claims["iat"] == 1200
    assert claims["kubernetes.io"]["serviceaccount"] == {"name": "reader", "uid": account["metadata"]["uid"]}


def test_a_token_dies_with_its_account(api: Api, core: str, robot: Api) -> None:
    api.ok("DELETE", f"{core}/serviceaccounts/robot")
    assert robot.send("GET", f"{core}/pods").refusal == (401, "Unauthorized")


def test_token_review(api: Api, core: str, namespace: str) -> None:
    api.create(f"{core}/serviceaccounts", {"metadata": {"name": "who"}})
    token = api.create(f"{core}/serviceaccounts/who/token", token_request())["status"]["token"]
    status = api.create(f"{AUTHENTICATION}/tokenreviews", {"spec": {"token": token}})["status"]
    assert status["authenticated"] is True
    assert status["user"]["username"] == f"system:serviceaccount:{namespace}:who"
    status = api.create(f"{AUTHENTICATION}/tokenreviews", {"spec": {"token": "bad"}})["status"]
    assert not status.get("authenticated")
    assert status["error"]


def test_without_a_role_nothing_is_allowed_and_the_refusal_says_what(
    robot: Api, core: str, namespace: str
) -> None:
    user = f"system:serviceaccount:{namespace}:robot"
    answer = robot.send("GET", f"{core}/pods")
    assert answer.refusal == (403, "Forbidden")
    assert answer.body["message"] == (
        f'pods is forbidden: User "{user}" cannot list resource "pods" in API group "" in the namespace "{namespace}"'
    )
    answer = robot.send("GET", "/api/v1/nodes/n")
    assert answer.body["message"] == (
        f'nodes "n" is forbidden: User "{user}" cannot get resource "nodes" in API group "" at the cluster scope'
    )


def test_a_role_allows_what_it_lists_and_no_more(robot, grant, api, core) -> None:
    grant(rule("get list", "configmaps"), rule("get", "secrets", names="one"))
    api.create(f"{core}/secrets", {"metadata": {"name": "one"}})
    assert robot.send("GET", f"{core}/configmaps").code == 200
    assert robot.send("POST", f"{core}/configmaps", {"metadata": {"name": "a"}}).code == 403
    assert robot.send("GET", f"{core}/secrets/one").code == 200
    assert robot.send("GET", f"{core}/secrets/two").code == 403
    assert robot.send("GET", f"{core}/secrets").code == 403
    assert robot.send("GET", "/api/v1/configmaps").code == 403


def test_nobody_can_grant_more_than_they_have(robot, grant, namespace) -> None:
    grant(rule("create", "roles", group="rbac.authorization.k8s.io"), rule("get", "pods"))
    path = f"{RBAC}/namespaces/{namespace}/roles"
    body = {"metadata": {"name": "mine"}, "rules": [rule("get", "pods")]}
    assert robot.send("POST", path, body).code == 201
    answer = robot.send("POST", path, {"metadata": {"name": "more"}, "rules": [rule("*", "secrets")]})
    assert answer.refusal == (403, "Forbidden")
    assert "attempting to grant RBAC permissions not currently held" in answer.body["message"]


def test_access_reviews(api: Api, robot: Api, grant, namespace: str) -> None:
    grant(rule("get", "pods"))
    attributes = {"namespace": namespace, "verb": "get", "resource": "pods"}
    path = f"{AUTHORIZATION}/selfsubjectaccessreviews"
    review = {"spec": {"resourceAttributes": attributes}}
    assert robot.create(path, review)["status"]["allowed"] is True
    denied = {"spec": {"resourceAttributes": {**attributes, "verb": "delete"}}}
    assert robot.create(path, denied)["status"]["allowed"] is False
    user = f"system:serviceaccount:{namespace}:robot"
    asked = {"spec": {**review["spec"], "user": user}}
    assert api.create(f"{AUTHORIZATION}/subjectaccessreviews", asked)["status"]["allowed"] is True
    rules = robot.create(f"{AUTHORIZATION}/selfsubjectrulesreviews", {"spec": {"namespace": namespace}})[
        "status"
    ]
    assert {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]} in rules["resourceRules"]


@pytest.mark.parametrize("role", ["admin", "cluster-admin", "edit", "view"])
def test_the_usual_roles_are_there(api: Api, role: str) -> None:
    assert api.get(f"{RBAC}/clusterroles/{role}")["rules"]


def test_impersonation(api: Api, core: str) -> None:
    headers = {"Impersonate-User": "somebody"}
    answer = api.send("GET", f"{core}/pods", headers=headers)
    assert answer.refusal == (403, "Forbidden")
    assert 'User "somebody" cannot list resource "pods"' in answer.body["message"]


def test_a_review_says_what_allows(api: Api, namespace: str, core: str) -> None:
    account = {"kind": "ServiceAccount", "name": "bot"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    api.create(
        f"{RBAC}/namespaces/{namespace}/rolebindings",
        {"metadata": {"name": "viewers"}, "roleRef": role, "subjects": [account]},
    )
    attributes = {"namespace": namespace, "resource": "pods"}
    user = f"system:serviceaccount:{namespace}:bot"

    def status(verb: str) -> Json:
        spec = {"user": user, "resourceAttributes": {**attributes, "verb": verb}}
        reviewed: Json = api.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
        return dict(reviewed["status"])

    eventually(lambda: status("list")["allowed"], "the right")
    binding = f'RoleBinding "viewers/{namespace}" of ClusterRole "view" to ServiceAccount "bot/{namespace}"'
    assert status("list") == {"allowed": True, "reason": f"RBAC: allowed by {binding}"}
    assert status("delete") == {"allowed": False}


def test_who_signs_tokens_can_be_discovered(api: Api) -> None:
    configuration = api.get("/.well-known/openid-configuration")
    assert configuration["jwks_uri"].endswith("/openid/v1/jwks")
    assert configuration["response_types_supported"] == ["id_token"]
    keys = api.ok("GET", "/openid/v1/jwks", headers={"Accept": "application/jwk-set+json"})["keys"]
    assert {"use", "kty", "kid", "alg"} <= keys[0].keys()
