"""Registering, reading, replacing and removing a self-registered client (RFC 7591, RFC 7592)."""

from __future__ import annotations

from typing import Any

import msgspec

from remit_server.errors import InvalidToken
from remit_server.records import Client
from remit_server.rules.registration import GRANTS, Registration
from remit_server.runtime.ids import new_id, new_secret
from remit_server.runtime.machines import Machines

LONG_NAMES = {short: long for long, short in GRANTS.items()}


async def register(machines: Machines, wanted: Registration, address: str) -> dict[str, Any]:
    """Store a new client; the answer of RFC 7591 section 3.2.1, the only time that its secrets are seen."""
    now, client_id = machines.clock.now(), f"dyn_{new_id()}"
    secret = new_secret() if wanted.auth_method.startswith("client_secret") else None
    access = new_secret()
    client = Client(
        id=client_id,
        name=wanted.name,
        dynamic=True,
        secrets=(machines.peppers.client_secret(secret),) if secret else (),
        registration_token=machines.peppers.mac("registration token", access),
        apis=await _open_apis(machines),
        created_at=now,
    )
    client = _with(client, wanted, now)
    event = machines.event(
        "client.created", client=client_id, subject=client_id, address=address, name=wanted.name, dynamic=True
    )
    clients = machines.store.clients
    await machines.store.commit(clients.add(client), events=(event,), wakes=(clients.wake(client_id),))
    issued: dict[str, Any] = {"registration_access_token": access}
    if secret:
        issued |= {"client_secret": secret, "client_secret_expires_at": 0}
    return {**shown(machines, client), **issued}


async def proven(machines: Machines, client_id: str, token: str) -> Client:
    """The client whose registration access token this is. Raises `InvalidToken`, whatever is wrong (RFC 7592 section 3)."""
    client = await machines.store.clients.get(client_id)
    expected = client.registration_token if client and client.dynamic and client.registration_token else "0" * 64
    if (
        not machines.peppers.matches("registration token", token, expected)
        or client is None
        or client.state != "active"
    ):
        raise InvalidToken(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    return client


def holds(machines: Machines, client: Client, secret: object) -> bool:
    """Whether a client that names its secret in an update names the right one (RFC 7592 section 2.2)."""
    return isinstance(secret, str) and any(
        machines.peppers.matches("client secret", secret, each) for each in client.secrets
    )


async def replace(machines: Machines, client: Client, wanted: Registration, address: str) -> dict[str, Any]:
    """Put the new metadata in the place of the old; what the client may reach does not grow (RFC 7592 section 2.2)."""
    now = machines.clock.now()
    grants = tuple(grant for grant in wanted.grants if grant in client.grants)
    changed = _with(client, msgspec.structs.replace(wanted, grants=grants or client.grants), now)
    secret = None
    if wanted.auth_method.startswith("client_secret") and not client.secrets:
        secret = new_secret()
        changed = msgspec.structs.replace(changed, secrets=(machines.peppers.client_secret(secret),))
    event = machines.event("client.changed", client=client.id, subject=client.id, address=address, dynamic=True)
    clients = machines.store.clients
    await machines.store.commit(clients.change(changed), events=(event,), wakes=(clients.wake(client.id),))
    return {**shown(machines, changed), **({"client_secret": secret, "client_secret_expires_at": 0} if secret else {})}


async def remove(machines: Machines, client: Client, address: str) -> None:
    """Forget the client; its tokens are refused from now on (RFC 7592 section 2.3)."""
    event = machines.event("client.removed", client=client.id, subject=client.id, address=address, dynamic=True)
    clients = machines.store.clients
    theirs = machines.store.lendings.end_of_client(client.id), machines.store.allowances.forget_client(client.id)
    await machines.store.commit(clients.remove(client.id), *theirs, events=(event,), wakes=(clients.wake(client.id),))


def shown(machines: Machines, client: Client) -> dict[str, Any]:
    """A client's registration as it reads it back: no secret (RFC 7591 section 3.2.1)."""
    members: dict[str, Any] = {
        "client_id": client.id,
        "client_id_issued_at": client.created_at,
        "client_name": client.name,
        "token_endpoint_auth_method": client.auth_methods[0],
        "redirect_uris": list(client.redirect_uris),
        "grant_types": [LONG_NAMES[grant] for grant in client.grants],
        "response_types": ["code"] if "authorization_code" in client.grants else [],
        "scope": client.default_scope,
        "registration_client_uri": machines.settings.url(f"/oidc/register/{client.id}"),
        **client.metadata,
    }
    optional = {
        "jwks": client.jwks,
        "jwks_uri": client.jwks_uri,
        "post_logout_redirect_uris": list(client.post_logout_redirect_uris),
    }
    return {**members, **{name: value for name, value in optional.items() if value}}


def _with(client: Client, wanted: Registration, now: int) -> Client:
    return msgspec.structs.replace(
        client,
        name=wanted.name,
        kind=wanted.kind,
        auth_methods=(wanted.auth_method,),
        redirect_uris=wanted.redirect_uris,
        post_logout_redirect_uris=wanted.post_logout_redirect_uris,
        grants=wanted.grants,
        default_scope=wanted.scope,
        jwks=wanted.jwks,
        jwks_uri=wanted.jwks_uri,
        metadata=wanted.metadata,
        updated_at=now,
    )


async def _open_apis(machines: Machines) -> dict[str, tuple[str, ...]]:
    return {api.identifier: tuple(api.scopes) for api in await machines.store.apis.all() if api.dynamic_clients}
