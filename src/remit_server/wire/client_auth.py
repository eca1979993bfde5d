"""Which client is asking? (RFC 6749 section 2.3, RFC 7523 section 2.2 as corrected by rfc7523bis.)"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from remit_server.errors import InvalidClient, InvalidRequest
from remit_server.records import Client
from remit_server.rules import client_assertion
from remit_server.runtime.ids import hashed
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost, Step
from remit_server.wire.form import Form
from remit_server.wire.http import Request

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class _Basic:
    id: str
    secret: str


async def authenticate(request: Request, form: Form, machines: Machines) -> Client:
    """The client that this request proves. Raises `InvalidClient` (401) or `InvalidRequest` for two proofs at once."""
    basic = _basic(request)
    assertion = form.get("client_assertion")
    # Some SDKs send the text None, or nothing, for a secret that they do not have.
    secret = form.get("client_secret") if not (assertion and form.get("client_secret") == "None") else None
    if sum((basic is not None, assertion is not None, secret is not None)) > 1:
        raise InvalidRequest("Use one method of client authentication, not several.")
    if basic:
        return await _by_basic(basic, form, machines)
    if assertion:
        return await _by_assertion(assertion, form, machines)
    client_id = form.get("client_id")
    if client_id is None:
        raise InvalidClient("Client authentication is missing.")
    client = await machines.store.clients.get(client_id)
    if secret is not None:
        return _proven(client, "client_secret_post", _secret_matches(client, secret, machines))
    return _proven(client, "none", client is not None and "none" in client.auth_methods)


def _basic(request: Request) -> _Basic | None:
    header = request.header("authorization")
    if header is None or not header.lower().startswith("basic "):
        return None
    try:
        decoded = base64.b64decode(header[6:].strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _basic_failed("The Basic credentials are not base64 of UTF-8.") from error
    client_id, colon, secret = decoded.partition(":")
    if not colon or "\x00" in decoded:
        raise _basic_failed("The Basic credentials have no colon.")
    return _Basic(client_id, secret)


def _basic_failed(text: str | None = None) -> InvalidClient:
    # RFC 6749 section 5.2: a client that tried the Authorization header is told the scheme.
    return InvalidClient(text, headers={"WWW-Authenticate": 'Basic realm="remit"'})


async def _by_basic(basic: _Basic, form: Form, machines: Machines) -> Client:
    """RFC 6749 section 2.3.1 wants both parts form-encoded; many clients send them plain, so both readings are tried."""
    client, client_id, secret = await machines.store.clients.get(basic.id), basic.id, basic.secret
    if client is None or "%" in basic.secret or "+" in basic.secret:
        client_id = unquote_plus(basic.id)
        client = await machines.store.clients.get(client_id)
        if not _secret_matches(client, secret, machines):
            secret = unquote_plus(basic.secret)
    if form.get("client_id") not in {None, client_id}:
        raise InvalidRequest("The client_id in the body is not the one in the Authorization header.")
    try:
        return _proven(client, "client_secret_basic", _secret_matches(client, secret, machines))
    except InvalidClient as error:
        raise _basic_failed(error.text) from error


async def _by_assertion(assertion: str, form: Form, machines: Machines) -> Client:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise InvalidRequest(f"client_assertion_type must be {ASSERTION_TYPE}.")
    client_id = client_assertion.unverified_subject(assertion)
    if form.get("client_id") not in {None, client_id}:
        raise InvalidRequest("The client_id in the body is not the subject of the client_assertion.")
    client = await machines.store.clients.get(client_id)
    if client is None or "private_key_jwt" not in client.auth_methods:
        raise InvalidClient
    jwks, settings = await keys_of(machines, client), machines.settings
    proof = client_assertion.judge(
        assertion, client, jwks, issuer=settings.issuer, now=machines.clock.now(), longest=settings.assertion_lifetime,
        skew=settings.clock_skew,
    )  # fmt: skip
    try:
        await machines.store.commit(burn(machines, f"assertion|{client.id}|{proof.jti}", proof.expires_at))
    except Lost as error:
        raise InvalidClient("This client_assertion was used before.") from error
    return _proven(client, "private_key_jwt", right=True)


async def keys_of(machines: Machines, client: Client) -> dict[str, Any]:
    """The JWK Set by which a client signs. Raises `InvalidClient` when it has registered none."""
    jwks = client.jwks or (await machines.outbound.jwks(client.jwks_uri, named=True) if client.jwks_uri else None)
    if jwks is None:
        raise InvalidClient("This client has no keys registered.")
    return jwks


def burn(machines: Machines, name: str, expires_at: int) -> Step:
    """The step that lets an identifier be used once until it expires by itself."""
    return machines.store.once.burn(hashed(name), expires_at + machines.settings.clock_skew)


def _secret_matches(client: Client | None, secret: str, machines: Machines) -> bool:
    # A client that is not there costs the same hash as one that is.
    stored = client.secrets if client and client.secrets else ("0" * 64,)
    return any(machines.peppers.matches("client secret", secret, each) for each in stored)


def _proven(client: Client | None, method: str, right: bool) -> Client:
    if client is None or not right or not _accepts(client, method):
        raise InvalidClient(detail=f"{method} failed for {client.id if client else 'an unknown client'}")
    if client.state != "active":
        raise InvalidClient(f"This client is {client.state}.")
    return client


def _accepts(client: Client, method: str) -> bool:
    """The methods that the client is registered for. A secret is taken in header and body alike: clients registered for the
    one send the other, and neither is weaker (RFC 6749 section 2.3.1)."""
    secret = {"client_secret_basic", "client_secret_post"}
    return method in client.auth_methods or (method in secret and not secret.isdisjoint(client.auth_methods))
