"""Whom does a request ask, and may this client ask them at all?"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from remit_server.errors import (
    AccessDenied,
    InvalidRequest,
    InvalidUserCode,
    MissingUserCode,
    TooManyRequests,
    UnknownUser,
)
from remit_server.records import Client, User
from remit_server.rules import backchannel, signed_request
from remit_server.runtime.machines import Machines
from remit_server.runtime.ports import Act
from remit_server.wire.client_auth import keys_of
from remit_server.wire.form import Form
from remit_server.wire.hints import subject_of_hint
from remit_server.wire.tokens import permitted

HINTS: Final = ("login_hint", "login_hint_token", "id_token_hint")
WRONG_CODES, WRONG_CODE_WINDOW = 5, 900
NOBODY: Final = "nobody|"


class NotToBeAsked(AccessDenied):
    """At this endpoint access_denied has the status 403 (CIBA Core 1.0 section 13)."""

    status = 403


class Whom(Struct, frozen=True):
    """Who was named. `id` is a person's, or stands for a hint that names nobody who can be asked by this client."""

    id: str
    user: User | None


async def hinted(machines: Machines, form: Form, client: Client) -> Whom:
    """Exactly one hint says who is to be asked (section 7.1)."""
    sent = [name for name in HINTS if form.get(name)]
    if len(sent) != 1:
        raise InvalidRequest("Send exactly one of login_hint, login_hint_token and id_token_hint.")
    text, settings = form.need(sent[0]), machines.settings
    match sent[0]:
        case "id_token_hint":
            hint = backchannel.Hint(user_id=await subject_of_hint(machines, text, client))
        case "login_hint_token":
            hint = signed_request.hint(
                text, client, await keys_of(machines, client), issuer=settings.issuer, now=machines.clock.now(),
                skew=settings.clock_skew,
            )  # fmt: skip
        case _:
            hint = backchannel.login_hint(text, settings.issuer)
    users = machines.store.users
    user = await (users.by_email(hint.email) if hint.email else users.get(hint.user_id or ""))
    if user is None or user.state != "active":
        return Whom(nobody(machines, client, hint.email or hint.user_id or ""), None)
    return Whom(user.id, user)


def nobody(machines: Machines, client: Client, hint: str) -> str:
    """What stands in a request for a person who will never see it: for one hint always the same, so that an agent is slowed
    down as if there were somebody."""
    return NOBODY + machines.peppers.mac("nobody", f"{client.id}|{hint.lower()}")


async def may_be_asked(machines: Machines, act: Act) -> None:
    """Raises `UnknownUser` unless the person and the client have to do with one another: somebody whom this client does not
    know is to it as somebody who is not there. Raises `NotToBeAsked` when the person or the organisation does not want it."""
    client, user, store = act.client, act.user, machines.store
    if user is None:
        raise UnknownUser
    oldest = machines.clock.now() - machines.settings.agreement_lifetime
    if not client.first_party and not any(
        grant.created_at > oldest for grant in await store.grants.live(user.id, client.id)
    ):
        raise UnknownUser(detail="no agreement between them")
    if await store.blocked_askers.has(user.id, client.id):
        raise NotToBeAsked("The user does not want to be asked by this client.", detail="blocked")
    try:
        await permitted(machines, act)
    except AccessDenied as error:
        raise NotToBeAsked(error.text, detail=error.detail) from error


async def code_proven(machines: Machines, client: Client, whom: Whom, code: str | None) -> None:
    """The person's own secret code, which a client that is registered for it must bring (section 7.1).

    Raises `MissingUserCode`, `InvalidUserCode`, or `TooManyRequests` after too many wrong ones. Somebody who is not there, or
    who has chosen no code, has every code wrong.
    """
    if not client.backchannel_user_code_parameter:
        if code is not None:
            raise InvalidRequest("This client is not registered for user_code.")
        return
    if code is None:
        raise MissingUserCode
    store, now, key = machines.store, machines.clock.now(), f"user code|{whom.id}"
    if await store.once.attempts(key, now) >= WRONG_CODES:
        raise TooManyRequests(headers={"Retry-After": str(WRONG_CODE_WINDOW)})
    await store.commit(*store.once.attempt(key, now, WRONG_CODE_WINDOW))  # counted before it is known to be wrong
    if not await machines.passwords.verify(whom.user.backchannel_user_code if whom.user else None, code):
        raise InvalidUserCode
    await store.commit(store.once.forget(key))
