"""The token and revocation endpoints (RFC 6749 section 3.2, RFC 7009)."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_plus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from remit_demo.provider.authority import Authority, Client, OAuthError, Tokens
from remit_demo.provider.form import parse_form


async def token(request: Request) -> Response:
    """Redeem a code or rotate a refresh token."""
    authority: Authority = request.app.state.authority
    form = parse_form(await request.body())
    client = _client(authority, request, form)
    match form.get("grant_type"):
        case "authorization_code":
            code, redirect_uri, verifier = _needed(form, "code", "redirect_uri", "code_verifier")
            tokens = authority.redeem(client, code, redirect_uri, verifier)
        case "refresh_token":
            (refresh_token,) = _needed(form, "refresh_token")
            scopes = tuple(form["scope"].split()) if "scope" in form else None
            tokens = authority.rotate(client, refresh_token, scopes)
        case _:
            raise OAuthError("unsupported_grant_type", "authorization_code and refresh_token are known here")
    return _answer(tokens)


async def revoke(request: Request) -> Response:
    """Revoke a token; the answer is the same for one that was never known."""
    authority: Authority = request.app.state.authority
    form = parse_form(await request.body())
    client = _client(authority, request, form)
    (value,) = _needed(form, "token")
    authority.revoke(client, value)
    return Response()


def _client(authority: Authority, request: Request, form: dict[str, str]) -> Client:
    header = request.headers.get("authorization")
    if header is None:
        return authority.client(form.get("client_id", ""), form.get("client_secret", ""))
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic" or "client_secret" in form:
        raise OAuthError("invalid_client", "one way of client authentication, please", 401)
    try:
        client_id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise OAuthError("invalid_client", "malformed Basic credentials", 401) from None
    return authority.client(unquote_plus(client_id), unquote_plus(secret))  # RFC 6749 section 2.3.1


def _needed(form: dict[str, str], *names: str) -> tuple[str, ...]:
    for name in names:
        if not form.get(name):
            raise OAuthError("invalid_request", f"{name} is missing")
    return tuple(form[name] for name in names)


def _answer(tokens: Tokens) -> Response:
    return JSONResponse(
        {
            "access_token": tokens.access_token,
            "token_type": "Bearer",
            "expires_in": tokens.expires_in,
            "refresh_token": tokens.refresh_token,
            "scope": " ".join(tokens.scopes),
        },
        headers={"Cache-Control": "no-store"},
    )
