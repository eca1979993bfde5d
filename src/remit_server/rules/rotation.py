"""What presenting a refresh token means: its first use, a lost reply, a race, or a copy in somebody else's hands."""

from __future__ import annotations

from typing import Literal

from remit_server.errors import InvalidGrant
from remit_server.records import Client, Token

Use = Literal["rotate", "answer_again", "race", "reuse"]


def judge(token: Token, client: Client, *, jkt: str | None, now: int, grace: int, grace_after: int) -> Use:
    """How to treat a refresh token that is presented now. Raises `InvalidGrant` when it is not this client's to present.

    A spent token is a copy, and its family ends (RFC 9700 section 4.14.2), with two exceptions. Within `grace_after`
    seconds of its use it is a race of the client with itself: this one loses, the winner keeps what it has. Later, but
    within `grace`, its reply may have been lost: it is answered once more, if nobody has used the successor. Who brings that
    successor afterwards has the reply that was lost, so two hold the family: then it is a copy, too.
    """
    if token.kind != "refresh" or token.client_id != client.id:
        raise InvalidGrant(detail="not a refresh token of this client")
    if token.expires_at <= now:
        raise InvalidGrant("The refresh token has expired.")
    if token.jkt is not None and token.jkt != jkt:
        raise InvalidGrant("The refresh token is bound to another DPoP key.")
    if token.revoked_at is not None:  # alone, not with its agreement: another was answered in its place
        return "reuse"
    if token.used_at is None:
        return "rotate"
    age = now - token.used_at
    if age < grace_after:
        return "race"
    if age <= grace and token.retried_at is None:
        return "answer_again"
    return "reuse"
