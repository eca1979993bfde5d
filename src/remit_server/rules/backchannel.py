"""Judging a backchannel authentication request (CIBA Core 1.0 section 7.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from remit_server.errors import InvalidBindingMessage, InvalidRequest, InvalidScope, UnknownUser
from remit_server.records import Client
from remit_server.rules.visible import hides, links

LONGEST_MESSAGE = 128
LONGEST_TOKEN: Final = 1024  # section 7.1
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 section 2.1


class Hint(Struct, frozen=True):
    """Who is to be asked: exactly one is set."""

    user_id: str | None = None
    email: str | None = None


def login_hint(hint: str, issuer: str) -> Hint:
    """What a login_hint names: a JSON subject identifier (RFC 9493 `iss_sub`, `email`), an e-mail address, or a user id."""
    if not hint.lstrip().startswith("{"):
        return Hint(email=hint) if re.fullmatch(r"[^@\s|]+@[^@\s|]+", hint) else Hint(user_id=hint)
    try:
        subject = msgspec.json.decode(hint, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnknownUser("The login_hint is not valid JSON.") from error
    return subject_identifier(subject, issuer)


def subject_identifier(subject: Mapping[str, Any], issuer: str) -> Hint:
    """Whom an `iss_sub` or `email` subject identifier names (RFC 9493 section 3.2)."""
    match subject:
        case {"format": "iss_sub", "iss": str(iss), "sub": str(sub)}:
            # By host, not by scheme: some SDKs write https for a loopback development issuer that is http.
            if not _same_host(iss, issuer):
                raise UnknownUser("The hint names another issuer.")
            return Hint(user_id=sub)
        case {"format": "email", "email": str(email)}:
            return Hint(email=email)
    raise UnknownUser("The hint must be an iss_sub or email subject identifier (RFC 9493).")


def _same_host(one: str, other: str) -> bool:
    try:
        return urlsplit(one).netloc.lower() == urlsplit(other).netloc.lower()
    except ValueError:
        return False


def binding_message(message: str | None) -> str | None:
    """The message, if it may be shown on an approval page. Raises `InvalidBindingMessage`; never shortens."""
    if message is None:
        return None
    if len(message) > LONGEST_MESSAGE:
        raise InvalidBindingMessage(f"A binding_message may have {LONGEST_MESSAGE} characters at most.")
    if hides(message):
        raise InvalidBindingMessage("A binding_message may not have control, direction or invisible characters.")
    if links(message):
        raise InvalidBindingMessage("A binding_message may not have a link.")
    return message


def lifetime(requested: str | None, *, default: int, longest: int) -> int:
    """Seconds that the request may wait (`requested_expiry`, CIBA section 7.1); more than the longest becomes the longest."""
    if requested is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", requested) or int(requested) < 1:
        raise InvalidRequest("requested_expiry must be a positive whole number of seconds.")
    return min(int(requested), longest)


def scopes(asked: tuple[str, ...]) -> None:
    """Raises `InvalidScope` unless `openid` is there (CIBA section 7.1)."""
    if "openid" not in asked:
        raise InvalidScope("scope must contain openid (CIBA Core 1.0 section 7.1).")


def notification_token(client: Client, token: str | None) -> str | None:
    """What we shall prove ourselves with to a client that is pinged or pushed to; one that polls has no use for it.

    Section 7.1 wants 128 bits. How a token was made cannot be seen, but one that is too short for them can.
    """
    if client.backchannel_token_delivery_mode not in {"ping", "push"}:
        return None
    if token is None:
        raise InvalidRequest("client_notification_token is missing: this client is told of the answer.")
    bits = 4 if re.fullmatch(r"[0-9a-fA-F-]+", token) else 6
    if len(token) > LONGEST_TOKEN or not _BEARER.fullmatch(token) or len(token) * bits < 128:
        raise InvalidRequest("client_notification_token must be a bearer token of at least 128 random bits.")
    return token


def fetches(client: Client) -> bool:
    """Whether the client comes to the token endpoint for what was approved; what is pushed needs no fetching."""
    return client.backchannel_token_delivery_mode in {"poll", "ping"}
