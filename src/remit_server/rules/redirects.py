"""Redirect URIs: which may be registered, and which match (RFC 9700 section 4.1, RFC 8252 section 7.3)."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from remit_server.config import is_loopback
from remit_server.errors import InvalidRedirectUri

_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+\-]*(\.[a-z0-9+\-]+)+")  # RFC 8252 section 7.1: a reversed domain name
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\<>\"^`{|}*]")
_DOTS = re.compile(r"(^|/)\.{1,2}(/|$)")
MOST = 2048


def registrable(uri: str, *, native: bool) -> str:
    """The URI, if a client may register it. Raises `InvalidRedirectUri` that says why not.

    https anywhere; http on loopback; a private-use scheme (with a dot, RFC 8252 section 7.1) for native clients.
    """
    if len(uri) > MOST or _FORBIDDEN.search(uri):
        raise InvalidRedirectUri(f"The redirect URI {uri[:100]!r} is too long or has a character that it may not have.")
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise InvalidRedirectUri(f"The redirect URI {uri!r} is not a URI.") from error
    if "#" in uri:
        raise InvalidRedirectUri("A redirect URI may not have a fragment (RFC 6749 section 3.1.2).")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise InvalidRedirectUri("A redirect URI may not have user information.")
    path = parts.path.lower()
    if _DOTS.search(path) or "%2f" in path or "%5c" in path or "%2e" in path:
        raise InvalidRedirectUri("A redirect URI may not have dot segments or encoded slashes, backslashes or dots.")
    secure = parts.scheme == "https" and bool(host)
    loopback = parts.scheme == "http" and is_loopback(host)
    private = native and not parts.netloc and _PRIVATE_SCHEME.fullmatch(parts.scheme) is not None
    if not (secure or loopback or private):
        raise InvalidRedirectUri(
            f"The redirect URI {uri!r} must be https, http on a loopback address, or a native app's own scheme with a dot."
        )
    return uri


def matches(asked: str, registered: str) -> bool:
    """Character for character; of http on loopback the port may differ (RFC 8252 section 7.3). `localhost` counts, though the
    RFC would rather see an address: many clients know no other name."""
    if asked == registered:
        return True
    known = _loopback_parts(registered)
    return known is not None and known == _loopback_parts(asked)


def _loopback_parts(uri: str) -> tuple[str, str] | None:
    """(host, everything after the authority) of an http URI on loopback, the port left out; None for all others."""
    found = re.fullmatch(r"http://(127\.0\.0\.1|\[::1\]|localhost)(?::[0-9]{1,5})?((?:[/?][!-~]*)?)", uri)
    if not found or "#" in uri or "\\" in uri:
        return None
    return found.group(1), found.group(2)
