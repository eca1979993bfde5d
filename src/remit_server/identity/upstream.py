"""Sign-in through another OpenID provider. We are the client here, and hold ourselves to what we ask of others: PKCE, state,
nonce, and the issuer compared before anything is believed.

The verifier and the nonce follow from the state under our own key, so nothing secret is stored on the way.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from remit_server.errors import AccessDenied, InvalidRequest
from remit_server.records import Connection, Interaction, User
from remit_server.rules import upstream as rule
from remit_server.rules.authorization import Asked
from remit_server.rules.redemption import challenge_of
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost
from remit_server.wire.form import Form


@dataclass(frozen=True)
class Arrived:
    """A person whom another provider vouches for."""

    user: User
    auth_time: int | None
    amr: tuple[str, ...]


_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class _Incomplete(InvalidRequest):
    text = "This way to sign in is not set up completely."


async def leave(
    machines: Machines, connection: Connection, state: str, asked: Asked | None, *, again: bool = False
) -> str:
    """Where the browser goes to sign in there; `again`, even if it is signed in there already. Raises `OutboundRefused` when
    the provider does not say where that is."""
    connection = await machines.discovery.complete(connection, *_NEEDED)
    parameters = {
        **connection.authorization_params,
        "response_type": "code",
        "client_id": connection.client_id,
        "redirect_uri": redirect_uri(machines, connection),
        "scope": "openid profile email",
        "state": state,
        "nonce": machines.peppers.mac("upstream nonce", state),
        "code_challenge": challenge_of(machines.peppers.mac("upstream verifier", state)),
        "code_challenge_method": "S256",
    }
    if asked and asked.login_hint:
        parameters["login_hint"] = asked.login_hint
    if again or (asked and ("login" in asked.prompt or asked.max_age is not None)):
        parameters["prompt"] = "login"
    if asked and asked.max_age is not None:  # then auth_time must be in the answer (OIDC Core section 3.1.2.1)
        parameters["max_age"] = str(asked.max_age)
    where = connection.authorization_endpoint
    if not where:
        raise _Incomplete(detail="authorization_endpoint is missing")
    return where + ("&" if urlsplit(where).query else "?") + urlencode(parameters, quote_via=quote)


def redirect_uri(machines: Machines, connection: Connection) -> str:
    """What has to be registered at the provider."""
    return machines.settings.url(f"/login/callback/{connection.name}")


async def arrive(machines: Machines, errand: Interaction, state: str, form: Form) -> Arrived:
    """Who came back. Raises what the person reads when the provider refused, or when its answer cannot be believed."""
    connection = await machines.store.connections.get(str(errand.request["connection"]))
    if connection is None or connection.issuer is None:
        raise _Incomplete(detail="issuer is missing")
    if form.get("iss") not in {None, connection.issuer}:
        raise InvalidRequest("The answer came from another provider than you were sent to.", detail="iss")
    try:
        await machines.store.commit(machines.store.interactions.finish(errand.hash, machines.clock.now()))
    except Lost as error:
        raise InvalidRequest("This answer was used before. Sign in again.") from error
    name = connection.display_name or connection.name
    if form.get("error"):
        raise AccessDenied(f"{name} did not sign you in.", detail=f"upstream said {form.get('error')!r}")
    connection = await machines.discovery.complete(connection, *_NEEDED)
    if connection.issuer is None or connection.jwks_uri is None:
        raise _Incomplete(detail="jwks_uri is missing")
    tokens = await _redeem(machines, connection, form.need("code"), machines.peppers.mac("upstream verifier", state))
    jwks = await machines.outbound.jwks(connection.jwks_uri)
    identity = rule.judge(
        tokens.get("id_token"), jwks, issuer=connection.issuer, client_id=connection.client_id,
        nonce=machines.peppers.mac("upstream nonce", state), now=machines.clock.now(), skew=machines.settings.clock_skew,
    )  # fmt: skip
    user = await _person(machines, connection, identity)
    if user.state != "active":
        raise AccessDenied("This account is blocked.")
    return Arrived(user, identity.auth_time, identity.amr)


async def _redeem(machines: Machines, connection: Connection, code: str, verifier: str) -> dict[str, Any]:
    body = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri(machines, connection),
        "code_verifier": verifier,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    secret = connection.client_secret
    if secret is not None and connection.auth_method == "client_secret_basic":
        pair = f"{quote(connection.client_id, safe='')}:{quote(secret, safe='')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    else:
        body["client_id"] = connection.client_id
        if secret is not None:
            body["client_secret"] = secret
    reply = await machines.outbound.send(
        "POST", connection.token_endpoint, headers=headers, body=urlencode(body).encode()
    )
    if reply.status != 200:
        name = connection.display_name or connection.name
        raise AccessDenied(f"{name} did not confirm the sign-in.", detail=f"its token endpoint answered {reply.status}")
    return reply.json()


async def _person(machines: Machines, connection: Connection, identity: rule.Identity) -> User:
    """Found by the provider's name and the subject there, and by nothing else: who may use an e-mail address is for its
    provider to say, not for another one."""
    store, now = machines.store, machines.clock.now()
    known = await store.users.by_upstream(connection.name, identity.subject)
    if known is not None:
        return known
    email = identity.email if identity.email and not await store.users.by_email(identity.email) else None
    user = User(
        id=f"oidc|{connection.name}|{identity.subject}", email=email, email_verified=email is not None,
        name=identity.name, upstream=(connection.name, identity.subject), created_at=now, updated_at=now,
    )  # fmt: skip
    event = machines.event("user.created", user=user.id, subject=user.id, connection=connection.name)
    try:
        await store.commit(store.users.add(user), events=(event,))
    except Lost:  # in two tabs at once
        known = await store.users.by_upstream(connection.name, identity.subject)
        if known is None:
            raise
        return known
    return user
