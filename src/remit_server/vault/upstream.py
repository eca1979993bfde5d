"""Talking to a provider: redeem a code, refresh, revoke, ask who it is. All of it through the one way out, and each
provider's own way of doing it as its connection says."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from urllib.parse import quote, quote_plus, urlencode, urlsplit, urlunsplit

import msgspec

from remit_server.records import ConnectAttempt, ConnectedAccount, Connection
from remit_server.records.provider import AccountLookup
from remit_server.rules.connection import Later, Outcome, belongs, read_reply
from remit_server.rules.providers import USERINFO, Identity, attach, kept
from remit_server.rules.providers import identity as read_identity
from remit_server.runtime.machines import Machines
from remit_server.runtime.outbound import TIMEOUT, OutboundRefused, Reply, ReplyLost


class NotAccepted(OutboundRefused):
    """The provider does not take the credential."""


_JSON = {"Accept": "application/json"}
_OF_EITHER_TOKEN = frozenset({"rfc7009", "rfc7009_basic", "rfc7009_json", "delete_token_in_path"})
"""Ways to revoke that take a refresh token as well."""


async def complete(machines: Machines, connection: Connection) -> Connection:
    """The connection as it can be used. Raises `OutboundRefused`."""
    return await machines.discovery.complete(connection, "authorization_endpoint", "token_endpoint")


async def redeem(
    machines: Machines, connection: Connection, attempt: ConnectAttempt, code: str, redirect_uri: str
) -> Outcome:
    """Exchange a code (RFC 6749 section 4.1.3). It goes to this connection's token endpoint and nowhere else."""
    form = connection.token_params | {
        "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri,
    }  # fmt: skip
    if connection.pkce == "S256":
        form["code_verifier"] = attempt.upstream_verifier or ""
    return await _ask(machines, connection, form, attempt.scopes)


async def refresh(
    machines: Machines, connection: Connection, refresh_token: str, scopes: tuple[str, ...], asked: tuple[str, ...], *,
    seconds: float = TIMEOUT,
) -> Outcome:  # fmt: skip
    """A new access token (RFC 6749 section 6): for `asked`, or for all that was granted (`scopes`) when that is empty.
    `seconds` is how long the answer may take, to its last byte."""
    form = connection.refresh_params | {"grant_type": "refresh_token", "refresh_token": refresh_token}
    if asked:
        # Some providers give no next refresh token to who does not ask for it each time.
        form["scope"] = connection.scope_separator.join((*asked, *connection.offline_scopes))
    return await _ask(machines, connection, form, asked or scopes, refreshing=True, seconds=seconds)


async def revoke(machines: Machines, connection: Connection, account: ConnectedAccount) -> bool:
    """Take the grant back. Whether the provider confirmed it."""
    token = account.refresh_token or account.access_token
    if connection.revoke == "none" or token is None or not belongs(account, connection):
        return False
    try:
        connection = await complete(machines, connection)
        reply = await _revoke(machines, connection, account, token)
    except OutboundRefused:
        return False
    if reply is None or reply.status not in {200, 204}:
        return False
    try:
        members = reply.json()
    except OutboundRefused:
        return True  # RFC 7009 section 2.2: the status says it; the body, if any, is for nobody
    return "error" not in members and members.get("ok") is not False


async def _revoke(machines: Machines, connection: Connection, account: ConnectedAccount, token: str) -> Reply | None:
    url, access = connection.revocation_endpoint, account.access_token
    if url is None or (connection.revoke not in _OF_EITHER_TOKEN and access is None):
        return None
    method, headers, json = "POST", _JSON | _basic(connection), False
    form: dict[str, str | int] = {"token": token}
    match connection.revoke:
        case "rfc7009":
            return await _post(machines, connection, url, form | _hint(account))
        case "rfc7009_basic":
            form |= _hint(account)
        case "rfc7009_json":
            json = True
        case "delete_token_in_path":
            method, headers, form, url = "DELETE", _JSON, {}, url.replace("{token}", quote(token, safe=""))
        case "post_bearer" | "delete_bearer" as way:
            (headers, url), method, form = _attached(connection, url, access or ""), way.partition("_")[0].upper(), {}
        case "post_bearer_token":
            (headers, url), form = _attached(connection, url, access or ""), {"token": access or ""}
        case "github_grant":
            url = url.replace("{client_id}", quote(connection.client_id, safe=""))
            method, headers, form, json = (
                "DELETE",
                connection.api_headers | headers,
                {"access_token": access or ""},
                True,
            )
        case "square_client":
            headers = connection.api_headers | _JSON | {"Authorization": f"Client {connection.client_secret or ''}"}
            form, json = {"client_id": connection.client_id, "access_token": access or ""}, True
    return await _send(machines, method, url, headers, form, json=json)


def _hint(account: ConnectedAccount) -> dict[str, str | int]:
    return {"token_type_hint": "refresh_token" if account.refresh_token else "access_token"}


async def identity(
    machines: Machines, connection: Connection, secret: str | Mapping[str, str], told: Identity | None = None
) -> Identity:
    """Whose account an access token, or what a person typed, belongs to, unless the provider `told` it already; nobody's that
    we know where it has no way to tell. Raises `OutboundRefused`, also when the provider does not accept the credential
    or its answer names nobody."""
    if told is not None:
        return _somebody(told)
    found = await _looked_up(machines, connection, secret)
    if found is None:
        return Identity()
    lookup, reply = found
    if reply.status != 200:
        kind = NotAccepted if reply.status in {401, 403} else OutboundRefused
        raise kind(detail=f"the account lookup answered {reply.status}")
    members = reply.json()
    whose = _somebody(read_identity(lookup, members))
    return msgspec.structs.replace(whose, values=kept(connection, "account", members))


async def disowned(machines: Machines, connection: Connection, secret: str | Mapping[str, str]) -> bool:
    """Whether the provider refuses the credential itself: with a 401 where it once told whose account it is."""
    try:
        found = await _looked_up(machines, connection, secret)
    except OutboundRefused:
        return False
    return found is not None and found[1].status == 401


async def _looked_up(
    machines: Machines, connection: Connection, secret: str | Mapping[str, str]
) -> tuple[AccountLookup, Reply] | None:
    """What the provider says of whose account it is; None where it has no way to tell. Raises `OutboundRefused`."""
    connection = await complete(machines, connection) if connection.account is None else connection
    lookup = connection.account or msgspec.structs.replace(USERINFO, url=connection.userinfo_endpoint or "")
    if not lookup.url:
        return None
    headers, url = _attached(connection, lookup.url, secret)
    if lookup.prefix is not None and isinstance(secret, str):
        headers["Authorization"] = lookup.prefix + secret
    headers |= lookup.headers | ({"Content-Type": "application/json"} if lookup.body else {})
    body = (lookup.body or "").encode()
    return lookup, await machines.outbound.send(lookup.method, url, headers=headers, body=body)


def _somebody(found: Identity) -> Identity:
    if found.id is None:
        raise OutboundRefused(detail="the answer does not say whose account it is")
    return found


def _attached(connection: Connection, url: str, secret: str | Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The headers and the URL of an API call of ours."""
    with_ = attach(connection, secret)
    if with_.query:
        parts = urlsplit(url)
        added = urlencode(with_.query)
        url = urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))
    return {**_JSON, **connection.api_headers, **with_.headers}, url


async def _ask(
    machines: Machines,
    connection: Connection,
    form: dict[str, str | int],
    scopes: tuple[str, ...],
    *,
    refreshing: bool = False,
    seconds: float = TIMEOUT,
) -> Outcome:
    until = time.monotonic() + seconds
    try:
        connection = await complete(machines, connection)
    except OutboundRefused as error:
        return Later(kind="unreachable", why=error.detail or "no metadata")
    url = (connection.refresh_endpoint if refreshing else None) or connection.token_endpoint
    try:
        reply = await _post(machines, connection, url, form, seconds=until - time.monotonic())
    except OutboundRefused as error:
        return Later(kind="silent" if isinstance(error, ReplyLost) else "unreachable", why=error.detail or "no answer")
    try:
        members = reply.json()
    except OutboundRefused:
        members = {}
    return read_reply(
        connection, reply.status, members, asked=scopes, now=machines.clock.now(),
        retry_after=reply.headers.get("retry-after"), refreshing=refreshing,
    )  # fmt: skip


async def _post(
    machines: Machines, connection: Connection, url: str, form: dict[str, str | int], *, seconds: float = TIMEOUT
) -> Reply:
    """As our client there (RFC 6749 section 2.3.1)."""
    headers = dict(_JSON)
    if connection.auth_method == "client_secret_basic" and connection.client_secret:
        headers |= _basic(connection)
    else:
        secret = {"client_secret": connection.client_secret} if connection.client_secret else {}
        form = {**form, "client_id": connection.client_id, **secret}
    json = connection.token_request == "json"  # noqa: S105 - a form
    return await _send(machines, "POST", url, headers, form, json=json, seconds=seconds)


async def _send(
    machines: Machines, method: str, url: str, headers: dict[str, str], form: dict[str, str | int], *, json: bool,
    seconds: float = TIMEOUT,
) -> Reply:  # fmt: skip
    body = msgspec.json.encode(form) if json else urlencode(form).encode()
    kind = "application/json" if json else "application/x-www-form-urlencoded"
    headers = {**headers, "Content-Type": kind} if form else headers
    return await machines.outbound.send(method, url, headers=headers, body=body, timeout=seconds)


def _basic(connection: Connection) -> dict[str, str]:
    """Both parts form-encoded first."""
    pair = f"{quote_plus(connection.client_id)}:{quote_plus(connection.client_secret or '')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
