"""Who signs ServiceAccount tokens and with which key, for those who verify tokens themselves (OpenID Connect Discovery)."""

from __future__ import annotations

import orjson
from aiohttp import web

from lab.pocket.tokens import ISSUER, TokenSigner

CONFIGURATION, KEYS = "/.well-known/openid-configuration", "/openid/v1/jwks"
CACHED = {"Cache-Control": "public, max-age=3600"}


def answer(path: str, signer: TokenSigner, address: str) -> web.Response | None:
    """Return one of the two documents; None for any other path. `address` is the server's, with its port."""
    if path == CONFIGURATION:
        document = {
            "issuer": ISSUER,
            "jwks_uri": f"https://{address}{KEYS}",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }
        return web.Response(body=orjson.dumps(document), content_type="application/json", headers=CACHED)
    if path == KEYS:
        body = orjson.dumps(signer.key_set())
        return web.Response(body=body, content_type="application/jwk-set+json", headers=CACHED)
    return None
