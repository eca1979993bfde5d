"""id_token_hint: an ID token of ours that comes back, perhaps expired (OIDC Core section 3.1.2.1)."""

from __future__ import annotations

from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet

from remit_server.errors import InvalidRequest
from remit_server.records import Client
from remit_server.rules.jose import UNREADABLE, Registry
from remit_server.runtime.machines import Machines
from remit_server.runtime.signing import ALGORITHMS


async def claims_of_hint(machines: Machines, hint: str) -> dict[str, Any]:
    """The claims of an ID token that we signed; its expiry does not matter. Raises `InvalidRequest` for anything else."""
    keys = KeySet.import_key_set(await machines.keys.jwks())  # type: ignore[arg-type]
    try:
        token = jwt.decode(hint, keys, registry=Registry(algorithms=ALGORITHMS))
    except UNREADABLE as error:
        raise InvalidRequest("The id_token_hint is not an ID token of this server.") from error
    claims = token.claims
    # typ tells an ID token from our other JWTs, which are signed by the same keys.
    if token.header.get("typ") != "JWT" or claims.get("iss") != machines.settings.issuer or "sub" not in claims:
        raise InvalidRequest("The id_token_hint is not an ID token of this server.")
    return claims


async def subject_of_hint(machines: Machines, hint: str, client: Client) -> str:
    """The `sub` of an id_token_hint that was issued to this client. Raises `InvalidRequest` (CIBA Core 1.0 section 7.1)."""
    claims = await claims_of_hint(machines, hint)
    if claims.get("aud") != client.id:
        raise InvalidRequest("The id_token_hint was issued to another client.")
    return str(claims["sub"])
