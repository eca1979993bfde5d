"""Judging the metadata of a client that registers itself (RFC 7591 section 2).

What is not understood is ignored and not stored (section 2); what is understood is checked. A self-registered client is
never first-party, and its names and links are claims, not facts.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from joserfc.jwk import KeySet
from msgspec import Struct

from remit_server.errors import InvalidClientMetadata, ProtocolError
from remit_server.records.client import AUTH_METHODS
from remit_server.rules import redirects
from remit_server.rules.jose import UNREADABLE
from remit_server.rules.scopes import IDENTITY, parse
from remit_server.rules.visible import hides

GRANTS = {
    "authorization_code": "authorization_code",
    "refresh_token": "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code": "device_code",
}
"""What a client may give itself: grants in which a person decides."""

LONGEST_TEXT = 200
LINKS = ("client_uri", "logo_uri", "policy_uri", "tos_uri")
MOST_URIS = 20


class Registration(Struct, frozen=True, kw_only=True):
    """Metadata that passed."""

    name: str
    kind: str
    auth_method: str
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    grants: tuple[str, ...]
    scope: str
    jwks: dict[str, Any] | None
    jwks_uri: str | None
    metadata: dict[str, Any]


def judge(members: dict[str, Any]) -> Registration:
    """Raises `InvalidClientMetadata` or `InvalidRedirectUri` that names the member."""
    application = _text(members, "application_type") or "web"
    if application not in {"web", "native"}:
        raise InvalidClientMetadata("application_type must be web or native.")
    method = _text(members, "token_endpoint_auth_method") or "client_secret_basic"
    if method not in AUTH_METHODS:
        raise InvalidClientMetadata("token_endpoint_auth_method must be one of " + ", ".join(AUTH_METHODS) + ".")
    grants = _grants(members)
    uris = _uris(members, "redirect_uris", native=application == "native")
    if "authorization_code" in grants and not uris:
        raise InvalidClientMetadata("redirect_uris is missing: the authorization_code grant needs one.")
    response_types = members.get("response_types", ["code"] if "authorization_code" in grants else [])
    if not isinstance(response_types, list) or any(kind != "code" for kind in response_types):
        raise InvalidClientMetadata('response_types must be ["code"].')
    jwks, jwks_uri = _keys(members, method)
    try:
        scope = " ".join(parse(_text(members, "scope"))) or " ".join(IDENTITY[:3])
    except ProtocolError as error:
        raise InvalidClientMetadata(error.text) from error
    links = {name: link for name in LINKS if (link := _link(members, name))}
    extra = {name: value for name in ("software_id", "software_version") if (value := _text(members, name))}
    return Registration(
        name=_text(members, "client_name") or "An unnamed client",
        kind="native" if application == "native" else "web",
        auth_method=method,
        redirect_uris=uris,
        post_logout_redirect_uris=_uris(members, "post_logout_redirect_uris", native=application == "native"),
        grants=grants,
        scope=scope,
        jwks=jwks,
        jwks_uri=jwks_uri,
        metadata={"application_type": application, **links, **extra},
    )


def _text(members: dict[str, Any], name: str) -> str | None:
    value = members.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_TEXT or hides(value):
        raise InvalidClientMetadata(f"{name} must be a text of 1 to {LONGEST_TEXT} visible characters.")
    return value


def _grants(members: dict[str, Any]) -> tuple[str, ...]:
    asked = members.get("grant_types", ["authorization_code"])
    if not isinstance(asked, list) or not all(isinstance(grant, str) for grant in asked):
        raise InvalidClientMetadata("grant_types must be an array of texts.")
    grants = tuple(dict.fromkeys(GRANTS[grant] for grant in asked if grant in GRANTS))
    refused = [grant for grant in asked if grant not in GRANTS]
    if refused:
        raise InvalidClientMetadata(f"A client cannot give itself the grant type {refused[0]!r}.")
    if not grants:
        raise InvalidClientMetadata("grant_types is empty.")
    return grants


def _uris(members: dict[str, Any], name: str, *, native: bool) -> tuple[str, ...]:
    uris = members.get(name, [])
    if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris) or len(uris) > MOST_URIS:
        raise InvalidClientMetadata(f"{name} must be an array of at most {MOST_URIS} URIs.")
    return tuple(redirects.registrable(uri, native=native) for uri in uris)


def _keys(members: dict[str, Any], method: str) -> tuple[dict[str, Any] | None, str | None]:
    jwks, uri = members.get("jwks"), members.get("jwks_uri")
    if jwks is not None and uri is not None:
        raise InvalidClientMetadata("jwks and jwks_uri must not both be there (RFC 7591 section 2).")
    if jwks is not None:
        keys = jwks.get("keys") if isinstance(jwks, dict) else None
        if not isinstance(keys, list) or not all(isinstance(key, dict) and "kty" in key for key in keys):
            raise InvalidClientMetadata("jwks must be a JWK Set (RFC 7517 section 5).")
        if any("d" in key or key["kty"] == "oct" for key in keys):
            raise InvalidClientMetadata("jwks must hold public keys only.")
        try:
            KeySet.import_key_set({"keys": keys})
        except UNREADABLE as error:
            raise InvalidClientMetadata("jwks holds a key that cannot be read.") from error
    if method == "private_key_jwt" and jwks is None and uri is None:
        raise InvalidClientMetadata("private_key_jwt needs jwks or jwks_uri.")
    return jwks, _link(members, "jwks_uri")


def _link(members: dict[str, Any], name: str) -> str | None:
    link = members.get(name)
    if link is None:
        return None
    if not isinstance(link, str) or len(link) > 2048 or not _https(link):
        raise InvalidClientMetadata(f"{name} must be an https URL.")
    return link


def _https(link: str) -> bool:
    try:
        parts = urlsplit(link)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)
