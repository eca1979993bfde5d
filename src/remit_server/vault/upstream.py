"""Talking to a provider: redeem a code, refresh, revoke, ask who it is. All of it through the one way out."""

from __future__ import annotations

import base64
from urllib.parse import quote_plus, urlencode

import msgspec

from remit_server.records import ConnectAttempt, ConnectedAccount, Connection
from remit_server.rules.connection import Later, Outcome, read_reply
from remit_server.runtime.machines import Machines
from remit_server.runtime.outbound import OutboundRefused, Reply


async def redeem(
    machines: Machines, connection: Connection, attempt: ConnectAttempt, code: str, redirect_uri: str
) -> Outcome:
    """Exchange a code (RFC 6749 section 4.1.3). It goes to this connection's token endpoint and nowhere else."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": attempt.upstream_verifier or "",
    }
    return await _ask(machines, connection, form, attempt.scopes)


async def refresh(
    machines: Machines, connection: Connection, refresh_token: str, scopes: tuple[str, ...], asked: tuple[str, ...]
) -> Outcome:
    """A new access token (RFC 6749 section 6): for `asked`, or for all that was granted (`scopes`) when that is empty."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    if asked:
        form["scope"] = connection.scope_separator.join(asked)
    return await _ask(machines, connection, form, asked or scopes)


async def revoke(machines: Machines, connection: Connection, account: ConnectedAccount) -> bool:
    """Take the grant back (RFC 7009). Whether the provider confirmed it."""
    token, hint = (
        account.refresh_token or account.access_token,
        "refresh_token" if account.refresh_token else "access_token",
    )
    if connection.revocation_endpoint is None or token is None:
        return False
    try:
        reply = await _post(
            machines, connection, connection.revocation_endpoint, {"token": token, "token_type_hint": hint}
        )
    except OutboundRefused:
        return False
    return reply.status in {200, 204}


class Identity(msgspec.Struct, frozen=True):
    """Whose account it is, as the provider names it."""

    id: str | None = None
    label: str | None = None


async def identity(machines: Machines, connection: Connection, access_token: str) -> Identity:
    """Asked of the provider's userinfo endpoint (OIDC Core section 5.3); unknown where there is none. Raises
    `OutboundRefused`."""
    if connection.userinfo_endpoint is None:
        return Identity()
    headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
    reply = await machines.outbound.send("GET", connection.userinfo_endpoint, headers=headers)
    if reply.status != 200:
        raise OutboundRefused(detail=f"userinfo answered {reply.status}")
    claims = reply.json()
    subject = claims.get("sub", claims.get("id"))
    label = next(
        (claims[name] for name in ("email", "preferred_username", "name") if isinstance(claims.get(name), str)), None
    )
    return Identity(str(subject)[:255] if isinstance(subject, str | int) else None, label[:255] if label else None)


async def _ask(machines: Machines, connection: Connection, form: dict[str, str], scopes: tuple[str, ...]) -> Outcome:
    try:
        reply = await _post(machines, connection, connection.token_endpoint, form)
    except OutboundRefused as error:
        return Later(why=error.detail or "no answer")
    try:
        members = reply.json()
    except OutboundRefused:
        members = {}
    return read_reply(
        connection, reply.status, members, asked=scopes, now=machines.clock.now(),
        retry_after=reply.headers.get("retry-after"),
    )  # fmt: skip


async def _post(machines: Machines, connection: Connection, url: str, form: dict[str, str]) -> Reply:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    secret = connection.client_secret
    if connection.auth_method == "client_secret_basic" and secret:
        # RFC 6749 section 2.3.1: both parts form-encoded.
        credentials = f"{quote_plus(connection.client_id)}:{quote_plus(secret)}"
        headers["Authorization"] = "Basic " + base64.b64encode(credentials.encode()).decode()
    else:
        form = {**form, "client_id": connection.client_id} | ({"client_secret": secret} if secret else {})
    return await machines.outbound.send("POST", url, headers=headers, body=urlencode(form).encode())
