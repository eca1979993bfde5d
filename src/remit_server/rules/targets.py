"""Which APIs a request is about: RFC 8707 `resource`, and `audience` as other products name it."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from remit_server.errors import InvalidTarget
from remit_server.records import Client

ABSENT = frozenset({"", "None", "null", "undefined"})
"""What SDKs send for an audience that they do not have."""


def wanted(resources: Iterable[str], audiences: Iterable[str]) -> tuple[str, ...]:
    """The audiences asked for, each once. Raises `InvalidTarget` for a `resource` that is no absolute URI without fragment."""
    found: list[str] = []
    for resource in resources:
        if not _absolute(resource):
            raise InvalidTarget("A resource must be an absolute URI without a fragment (RFC 8707 section 2).")
        found.append(resource)
    found += [audience for audience in audiences if audience not in ABSENT]
    return tuple(dict.fromkeys(found))


def _absolute(uri: str) -> bool:
    try:
        return bool(urlsplit(uri).scheme) and "#" not in uri
    except ValueError:
        return False


def allowed(client: Client, audiences: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    """The same audiences, if the client may ask for all of them. `own` are audiences of this server itself.

    A URI is matched as it stands, or without a trailing slash that a client added to a bare origin.
    """
    settled = []
    for audience in audiences:
        match = next((form for form in (audience, audience.rstrip("/")) if form in client.apis or form in own), None)
        if match is None:
            raise InvalidTarget(f"The resource {audience!r} is unknown or not allowed for this client.")
        settled.append(match)
    return tuple(dict.fromkeys(settled))


def narrower(asked: tuple[str, ...], granted: tuple[str, ...]) -> tuple[str, ...]:
    """What was granted, or the part of it that is asked for. Raises `InvalidTarget` for more."""
    if not asked:
        return granted
    for audience in asked:
        if audience not in granted and audience.rstrip("/") not in granted:
            raise InvalidTarget(f"The resource {audience!r} was not part of the authorization.")
    return tuple(audience if audience in granted else audience.rstrip("/") for audience in asked)
