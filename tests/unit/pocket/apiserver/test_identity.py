"""Who a client is: certificates, tokens, bootstrap tokens; and what is signed."""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from lab.pocket import kubeconfig
from lab.pocket.tokens import TokenSigner
from tests.unit.pocket.apiserver.conversation import Client, converse

SECRETS = "/api/v1/namespaces/kube-system/secrets"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
TOKEN = "abcdef.0123456789abcdef"


def bootstrap_secret(**data: str) -> dict[str, object]:
    values = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
    }
    metadata = {"name": "bootstrap-token-abcdef"}
    return {"metadata": metadata, "type": "bootstrap.kubernetes.io/token", "stringData": values | data}


@pytest.mark.parametrize(
    ("change", "token", "code"),
    [
        ({}, TOKEN, 201),
        ({}, "abcdef.ffffffffffffffff", 401),
        ({}, "fedcba.0123456789abcdef", 401),
        ({"usage-bootstrap-authentication": "false"}, TOKEN, 401),
        ({"expiration": "2001-01-01T00:00:00Z"}, TOKEN, 401),
        ({"expiration": "2999-01-01T00:00:00Z"}, TOKEN, 201),
        ({"expiration": "soon"}, TOKEN, 401),
    ],
)
def test_bootstrap_tokens(tmp_path, change, token, code):
    async def prepare(client: Client) -> None:
        await client.ok("POST", SECRETS, bootstrap_secret(**change))

    async def ask(client: Client) -> None:
        answer = await client.send("POST", WHO, {}, Authorization=f"Bearer {token}")
        assert answer.code == code
        if code == 201:
            user = answer.body["status"]["userInfo"]
            assert user["username"] == "system:bootstrap:abcdef"
            assert user["groups"] == ["system:bootstrappers", "system:authenticated"]

    converse(tmp_path, prepare)
    converse(tmp_path, ask, user=None)


def test_a_certificate_names_user_and_groups(tmp_path):
    async def talk(client: Client) -> None:
        user = (await client.ok("POST", WHO, {}))["status"]["userInfo"]
        assert user == {
            "username": "system:node:n",
            "groups": ["system:nodes", "more", "system:authenticated"],
        }

    converse(tmp_path, talk, user=("system:node:n", ("system:nodes", "more")))


def test_nodes_may_do_what_nodes_do_and_no_more(tmp_path):
    async def talk(client: Client) -> None:
        assert (await client.send("POST", "/api/v1/nodes", {"metadata": {"name": "n"}})).code == 201
        assert (await client.send("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn")).code == 200
        assert (await client.send("GET", "/apis/apps/v1/deployments")).code == 403

    converse(tmp_path, talk, user=("system:node:n", ("system:nodes",)))


@pytest.fixture(scope="module")
def signer() -> TokenSigner:
    return TokenSigner(ec.generate_private_key(ec.SECP256R1()))


def test_tokens_hold_from_their_first_to_their_last_second(signer):
    now = time.time()
    token = signer.sign({"sub": "x", "nbf": int(now), "exp": int(now) + 10})
    claims = signer.verify(token, now=now)
    assert claims is not None
    assert claims["sub"] == "x"
    assert signer.verify(token, now=now + 11) is None
    assert signer.verify(token, now=now - 11) is None


def test_tokens_that_were_changed_are_worth_nothing(signer):
    good = signer.sign({"sub": "x", "nbf": 0, "exp": 1 << 40})
    header, payload, signature = good.split(".")
    forged = urlsafe_b64encode(b'{"sub":"y","nbf":0,"exp":1099511627776}').rstrip(b"=").decode()
    unsigned = urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    other = TokenSigner(ec.generate_private_key(ec.SECP256R1())).sign({"nbf": 0, "exp": 1 << 40})
    bad = [
        f"{header}.{forged}.{signature}",
        f"{unsigned}.{payload}.",
        f"{header}.{payload}",
        other,
        "",
        "a.b.c",
        "é",
    ]
    assert [signer.verify(token) for token in bad] == [None] * len(bad)


def test_kubeconfigs_are_issued_from_the_server_s_directory(tmp_path, capsysbinary):
    async def talk(client: Client) -> None:
        arguments = ["--data", str(tmp_path), "--server", client.server.url, "--user", "u", "--group", "g"]
        kubeconfig.main(arguments)

    converse(tmp_path, talk)
    assert b'"current-context": "u@lab"' in capsysbinary.readouterr().out
