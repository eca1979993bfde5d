"""Page after page: a token says of which listing it is and where the next page begins. It is no secret and no permission."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec

from remit_server.access import members as m
from remit_server.access.members import Members
from remit_server.access.refusals import InvalidContinuation

USUAL: Final = 50
_place = msgspec.json.Decoder(tuple[str, ...])


def token(listing: str, *place: str) -> str:
    """What a client brings back to see what comes after `place`."""
    return urlsafe_b64encode(msgspec.json.encode((listing, *place))).decode("ascii")


def place_of(asked: Members, listing: str, parts: int) -> tuple[str, ...] | None:
    """Where the `continuation_token` of a request goes on, in so many parts, or None at the beginning.

    Raises `InvalidRequest` for what can be no token, `InvalidContinuation` for what is none of this listing.
    """
    brought = asked.text("continuation_token", m.TOKEN, needed=False)
    if not brought:
        return None
    try:
        kind, *place = _place.decode(urlsafe_b64decode(brought))
    except (ValueError, msgspec.MsgspecError) as error:
        raise InvalidContinuation from error
    if kind != listing or len(place) != parts or any("\0" in part for part in place):
        raise InvalidContinuation
    return tuple(place)
