"""Authentication: client certificates, ServiceAccount tokens and bootstrap tokens; without any of them, anonymous."""

from __future__ import annotations

import hmac
import re
import time
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from lab.pocket.apiserver.errors import unauthorized
from lab.pocket.apiserver.users import ANONYMOUS, AUTHENTICATED, User, service_account
from lab.pocket.store import Key, Object, Row, Store
from lab.pocket.tokens import ISSUER, Claims, TokenSigner

BOOTSTRAP_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
BOUND_KINDS = {"pod": "pods", "secret": "secrets", "node": "nodes"}


class Authenticator:
    """Tells who a request comes from."""

    def __init__(self, store: Store, signer: TokenSigner) -> None:
        self._store = store
        self._signer = signer

    def authenticate(self, certificate: Mapping[str, Any] | None, authorization: str) -> User:
        """Return the user of a verified TLS client certificate (as `ssl` decodes it) or Authorization header.

        Raises:
            StatusError: 401, when a token was sent and is not good.

        """
        if certificate:
            return _certificate_user(certificate)
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return ANONYMOUS
        user = self.token_user(token.strip())
        if user is None:
            raise unauthorized()
        return user

    def token_user(self, token: str, *, audiences: frozenset[str] = frozenset({ISSUER})) -> User | None:
        """Return the user of a token that is good for one of the audiences, or None."""
        bootstrap = BOOTSTRAP_TOKEN.fullmatch(token)
        if bootstrap:
            return self._bootstrap_user(*bootstrap.groups())
        claims = self._signer.verify(token)
        if claims is None or not audiences.intersection(claims.get("aud", ())):
            return None
        return self._service_account_user(claims)

    def _service_account_user(self, claims: Claims) -> User | None:
        bound = claims.get("kubernetes.io", {})
        namespace, account = bound.get("namespace", ""), bound.get("serviceaccount", {})
        if not self._exists(Key("serviceaccounts", namespace, account.get("name", "")), account.get("uid")):
            return None
        extra = {"authentication.kubernetes.io/credential-id": [f"JTI={claims.get('jti', '')}"]}
        for kind, resource in BOUND_KINDS.items():
            if kind not in bound:
                continue
            name, uid = bound[kind]["name"], bound[kind].get("uid")
            if not self._exists(Key(resource, "" if kind == "node" else namespace, name), uid):
                return None
            extra |= {f"authentication.kubernetes.io/{kind}-name": [name]}
            extra |= {f"authentication.kubernetes.io/{kind}-uid": [uid]}
        return service_account(namespace, account["name"], account["uid"], extra)

    def _exists(self, key: Key, uid: str | None) -> bool:
        row = self._store.get(key)
        return row is not None and _uid(row) == uid

    def _bootstrap_user(self, token_id: str, token_secret: str) -> User | None:
        row = self._store.get(Key("secrets", "kube-system", f"bootstrap-token-{token_id}"))
        secret = row.decoded() if row else {}
        if secret.get("type") != "bootstrap.kubernetes.io/token" or secret["metadata"].get(
            "deletionTimestamp"
        ):
            return None
        data = {key: b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
        usable = data.get("token-id") == token_id and data.get("usage-bootstrap-authentication") == "true"
        if (
            not usable
            or not hmac.compare_digest(data.get("token-secret", ""), token_secret)
            or _expired(data)
        ):
            return None
        groups = [group for group in data.get("auth-extra-groups", "").split(",") if group]
        return User(f"system:bootstrap:{token_id}", ("system:bootstrappers", *groups, AUTHENTICATED))


@lru_cache(maxsize=256)
def _uid(row: Row) -> str:
    """Return the UID of an object that many requests ask for while it stays as it is."""
    uid: str = row.decoded()["metadata"]["uid"]
    return uid


def claims_for(
    account: Object,
    *,
    audiences: list[str],
    seconds: int,
    bound: Mapping[str, Mapping[str, str]],
    token_id: str,
) -> Claims:
    """Return the claims of a token for a ServiceAccount, valid from now on for `seconds`."""
    now = int(time.time())
    metadata = account["metadata"]
    own = {"name": metadata["name"], "uid": metadata["uid"]}
    return {
        "aud": audiences,
        "exp": now + seconds,
        "iat": now,
        "iss": ISSUER,
        "jti": token_id,
        "kubernetes.io": {"namespace": metadata["namespace"], **bound, "serviceaccount": own},
        "nbf": now,
        "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
    }


def _certificate_user(certificate: Mapping[str, Any]) -> User:
    subject = [pair for relative_name in certificate.get("subject", ()) for pair in relative_name]
    name = next((value for kind, value in subject if kind == "commonName"), "")
    if not name:
        raise unauthorized()
    return User(name, (*(value for kind, value in subject if kind == "organizationName"), AUTHENTICATED))


def _expired(data: Mapping[str, str]) -> bool:
    text = data.get("expiration")
    if not text:
        return False
    try:
        return datetime.fromisoformat(text) <= datetime.now(UTC)
    except (ValueError, TypeError):  # not a time, or one without its zone
        return True
