"""What a person must still do before a client gets its code: sign in, agree, or nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

from remit_server.errors import ConsentRequired, LoginRequired, UnmetAuthentication
from remit_server.records import Api, Client, Grant, Session
from remit_server.rules.authorization import ACR, Asked
from remit_server.rules.scopes import IDENTITY

Step = Literal["sign_in", "second_factor", "consent", "done"]


class Standing(Struct, frozen=True, kw_only=True):
    """Who sits at the browser, and what they have done already."""

    session: Session | None = None
    errand: str | None = None
    """Hash of the errand, if the request has become one."""
    begun_at: int = 0
    """When it did, seconds, less what other parties' clocks may be off."""
    second_factor: bool = False
    """The person has set one up."""
    agreed: bool = False
    """A live agreement covers what is asked for, or none is needed, or it was given just now."""


def judge(asked: Asked, standing: Standing, now: int) -> Step:
    """The next step. Raises `LoginRequired` or `ConsentRequired` where prompt=none forbids it, `LoginRequired` when somebody
    else signed in than the id_token_hint names, and `UnmetAuthentication` when the strength asked for cannot be reached."""
    silent = "none" in asked.prompt
    session = standing.session
    if session is None or not _fresh(asked, session, standing, now):
        if silent:
            raise LoginRequired
        if session is not None and _signed_in_for(standing.errand, session):
            raise LoginRequired("The provider that this person signs in with did not ask them again.")
        return "sign_in"
    if asked.subject is not None and asked.subject != session.user_id:
        if silent or _signed_in_for(standing.errand, session):
            raise LoginRequired("Somebody else is signed in than the id_token_hint names.")
        return "sign_in"
    if not _strong_enough(asked, session):
        if not standing.second_factor:
            raise UnmetAuthentication
        if silent:
            raise LoginRequired
        return "second_factor"
    if standing.agreed:
        return "done"
    if silent:
        raise ConsentRequired
    return "consent"


def _signed_in_for(errand: str | None, session: Session) -> bool:
    return errand is not None and session.errand == errand


def _fresh(asked: Asked, session: Session, standing: Standing, now: int) -> bool:
    if _signed_in_for(standing.errand, session):
        # Another provider may have answered from a session of its own, and says so in auth_time.
        oldest = 0 if "login" in asked.prompt else asked.max_age
        return oldest is None or standing.begun_at - session.auth_time <= oldest
    if {"login", "select_account"} & set(asked.prompt):
        return False
    return asked.max_age is None or now - session.auth_time < asked.max_age


def _strong_enough(asked: Asked, session: Session) -> bool:
    if not asked.acr_values:
        return True
    weakest = min(ACR.index(value) for value in asked.acr_values)
    return session.acr in ACR and ACR.index(session.acr) >= weakest


def needs_no_consent(asked: Asked, client: Client, apis: Iterable[Api]) -> bool:
    """Whether the organisation answers for the person: a client of its own, and APIs that skip consent."""
    if not _knows_itself(asked, client) or asked.details:
        return False
    return client.first_party and all(api.skip_consent for api in apis)


def remembered(asked: Asked, client: Client, grants: Iterable[Grant]) -> bool:
    """Whether the person agreed before to all of this: the same client, taken back to the same place, asking no more.

    A detail is an act, and a yes to an act is for once. A client that anybody can pretend to be is asked about each time
    (RFC 9700 section 4.11, RFC 8252 section 8.6), as is one that registered itself.
    """
    if not _knows_itself(asked, client) or asked.details or "consent" in asked.prompt:
        return False
    return any(
        grant.return_to == asked.back.origin
        and set(asked.scopes) <= set(grant.scopes)
        and set(asked.audiences) <= set(grant.audiences)
        for grant in grants
    )


def _knows_itself(asked: Asked, client: Client) -> bool:
    if client.dynamic:
        return False
    return client.confidential or urlsplit(asked.back.redirect_uri).scheme == "https"


def left_of(asked: Asked, ticked: Iterable[str]) -> tuple[str, ...]:
    """The scopes that a person leaves ticked, of those asked for; what identifies the person to the client is not optional."""
    kept = set(ticked)
    return tuple(scope for scope in asked.scopes if scope in IDENTITY or scope in kept)
