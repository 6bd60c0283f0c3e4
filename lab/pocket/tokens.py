"""ServiceAccount tokens: JSON Web Tokens signed with ES256 (RFC 7515, RFC 7519), with the claims of a kube-apiserver."""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

Claims = dict[str, Any]
ISSUER = "https://kubernetes.default.svc.cluster.local"
SCALAR = 32  # bytes of r and of s on P-256
REMEMBERED = 4096
ECDSA = ec.ECDSA(hashes.SHA256())


@dataclass(slots=True)
class TokenSigner:
    """Signs and verifies tokens; signatures already verified are remembered."""

    key: ec.EllipticCurvePrivateKey
    _verified: dict[str, Claims] = field(default_factory=dict)

    def key_id(self) -> str:
        """Return the key's name in token headers: a digest of the public key."""
        public = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        digest = hashes.Hash(hashes.SHA256())
        digest.update(public)
        return _encode(digest.finalize())

    def key_set(self) -> dict[str, Any]:
        """Return the public key as a JSON Web Key Set (RFC 7517)."""
        numbers = self.key.public_key().public_numbers()
        point = {name: _encode(getattr(numbers, name).to_bytes(SCALAR, "big")) for name in ("x", "y")}
        key = {"use": "sig", "kty": "EC", "kid": self.key_id(), "crv": "P-256", "alg": "ES256", **point}
        return {"keys": [key]}

    def sign(self, claims: Claims) -> str:
        header = {"alg": "ES256", "kid": self.key_id()}
        body = f"{_encode(orjson.dumps(header))}.{_encode(orjson.dumps(claims))}"
        r, s = decode_dss_signature(self.key.sign(body.encode(), ECDSA))
        return f"{body}.{_encode(r.to_bytes(SCALAR, 'big') + s.to_bytes(SCALAR, 'big'))}"

    def verify(self, token: str, *, now: float | None = None) -> Claims | None:
        """Return the claims of a token that this key signed and that is valid at `now` (Unix time), or None."""
        claims = self._verified.get(token)
        if claims is None:
            claims = self._check_signature(token)
            if claims is None:
                return None
            if len(self._verified) >= REMEMBERED:
                self._verified.clear()
            self._verified[token] = claims
        moment = time.time() if now is None else now
        return claims if claims.get("nbf", 0) <= moment < claims.get("exp", 0) else None

    def _check_signature(self, token: str) -> Claims | None:
        try:
            header, payload, signature = token.encode("ascii").split(b".")
            raw = _decode(signature)
            if orjson.loads(_decode(header)).get("alg") != "ES256" or len(raw) != 2 * SCALAR:
                return None
            der = encode_dss_signature(
                int.from_bytes(raw[:SCALAR], "big"), int.from_bytes(raw[SCALAR:], "big")
            )
            self.key.public_key().verify(der, header + b"." + payload, ECDSA)
            claims = orjson.loads(_decode(payload))
        except (ValueError, AttributeError, InvalidSignature):
            return None
        return claims if isinstance(claims, dict) else None


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(data: bytes) -> bytes:
    return urlsafe_b64decode(data + b"=" * (-len(data) % 4))
