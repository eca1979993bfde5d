"""Takes an authorization request one step further: to the sign-in page, to the consent page, or to its code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from remit_server.errors import AccessDenied, InvalidRequest, InvalidRequestUri, ProtocolError
from remit_server.identity import errands, second_factor
from remit_server.identity.deliver import Deliver, error_parameters
from remit_server.records import Api, Client, Code, Grant, Interaction
from remit_server.rules import interaction
from remit_server.rules.authorization import Asked, client_named
from remit_server.runtime.ids import hashed, new_id, new_secret
from remit_server.runtime.machines import Machines
from remit_server.runtime.ports import Act
from remit_server.storage.contract import Lost, Step
from remit_server.wire.http import Answer
from remit_server.wire.tokens import permitted
from remit_server.wire.visitor import Visitor

_OF_A_URL = "%-._~:/?#[]@!$&'()*+,;="  # RFC 3986 section 2


def see_other(location: str) -> Answer:
    """303: whatever the method was, the next is GET, and a password is not sent on (RFC 9700 section 4.12).

    What a URL may not hold leaves percent-encoded, so that no line break in a path ends the header.
    """
    location = quote(location, safe=_OF_A_URL)
    return Answer(
        303, headers=(("location", location), ("cache-control", "no-store"), ("referrer-policy", "no-referrer"))
    )


@dataclass(frozen=True)
class Errand:
    """A stored errand and the secret that it is resumed by."""

    record: Interaction
    resume: str


@dataclass(frozen=True)
class Advance:
    """`agreed` are the scopes left ticked by a person who has just allowed the rest."""

    machines: Machines
    deliver: Deliver

    async def __call__(
        self, asked: Asked, who: Visitor, errand: Errand | None = None, *, agreed: tuple[str, ...] | None = None
    ) -> Answer:  # fmt: skip
        try:
            return await self._step(asked, who, errand, agreed)
        except ProtocolError as error:
            if not error.may_redirect or isinstance(error, _Stale):
                raise
            return self.deliver(asked.back, error_parameters(error))

    async def _step(self, asked: Asked, who: Visitor, errand: Errand | None, agreed: tuple[str, ...] | None) -> Answer:
        machines = self.machines
        client = client_named(await machines.store.clients.get(asked.client_id))
        unasked = agreed is None and await self._unasked(asked, client)
        standing = interaction.Standing(
            session=who.session,
            errand=errand.record.hash if errand else None,
            begun_at=errand.record.created_at - machines.settings.clock_skew if errand else 0,
            second_factor=await self._has_second_factor(asked, who),
            agreed=agreed is not None or unasked or await self._remembered(asked, client, who),
        )
        step = interaction.judge(asked, standing, machines.clock.now())
        if step == "done":
            # What nobody was asked is nothing to remember: the organisation may want people asked from tomorrow on.
            return await self._conclude(
                asked, client, who, errand, agreed, return_to="" if unasked else asked.back.origin
            )
        resume = errand.resume if errand else await errands.begin(
            machines, who, "authorize", msgspec.to_builtins(asked), client_id=client.id
        )  # fmt: skip
        match step:
            case "sign_in" if asked.connection:
                return see_other(f"/login/{quote(asked.connection, safe='')}?resume={resume}")
            case "sign_in":
                return see_other(f"/login?resume={resume}")
            case "second_factor":
                assert who.session is not None, "the rule sends whoever is not signed in to sign in"
                return see_other(
                    await second_factor.begin(machines, who, second_factor.of_session(who.session, resume))
                )
            case "consent":
                return see_other(f"/consent?resume={resume}")

    async def _unasked(self, asked: Asked, client: Client) -> bool:
        if "consent" in asked.prompt:
            return False
        return interaction.needs_no_consent(asked, client, await apis_of(self.machines, asked))

    async def _remembered(self, asked: Asked, client: Client, who: Visitor) -> bool:
        if who.user is None:
            return False
        grants = await self.machines.store.grants.live(who.user.id, client.id)
        return interaction.remembered(asked, client, grants)

    async def _has_second_factor(self, asked: Asked, who: Visitor) -> bool:
        """Looked up only where it matters."""
        if not asked.acr_values or who.user is None:
            return False
        return await second_factor.is_set_up(self.machines.store, who.user.id)

    async def _conclude(
        self,
        asked: Asked,
        client: Client,
        who: Visitor,
        errand: Errand | None,
        agreed: tuple[str, ...] | None,
        *,
        return_to: str,
    ) -> Answer:
        """The code, its agreement and the end of the errand: one unit, so of two who finish it one wins."""
        machines, store, now = self.machines, self.machines.store, self.machines.clock.now()
        session, user = who.session, who.user
        assert session is not None, "the rule sends whoever is not signed in to sign in"
        assert user is not None, "a session has its person"
        if agreed is not None:
            asked = replace(asked, scopes=interaction.left_of(asked, agreed))
        permit = await permitted(machines, Act(
            kind="consent", client=client, user=user, audiences=asked.audiences, scopes=asked.scopes, details=asked.details,
        ))  # fmt: skip
        act, value = permit.act, new_secret()
        grant = Grant(
            id=new_id(), client_id=client.id, user_id=user.id, sid=session.sid, scopes=act.scopes, audiences=act.audiences,
            details=act.details, return_to=return_to, auth_time=session.auth_time, amr=session.amr, acr=session.acr,
            created_at=now,
        )  # fmt: skip
        code = Code(
            hash=hashed(value), grant_id=grant.id, client_id=client.id, user_id=user.id,
            redirect_uri=asked.back.redirect_uri, redirect_uri_given=asked.back.given, challenge=asked.challenge,
            nonce=asked.nonce, scopes=act.scopes, audiences=act.audiences, details=act.details, dpop_jkt=asked.dpop_jkt,
            created_at=now, expires_at=now + machines.settings.code_lifetime,
        )  # fmt: skip
        about: dict[str, Any] = {"scope": " ".join(act.scopes), "aud": list(act.audiences)}
        if act.details:
            about["details"] = list(act.details)
        events = [machines.event(
            "code.issued", user=user.id, client=client.id, subject=grant.id, address=who.address, why=list(permit.why), **about
        )]  # fmt: skip
        if agreed is not None:
            events.insert(0, machines.event(
                "consent.given", user=user.id, client=client.id, subject=grant.id, address=who.address, **about
            ))  # fmt: skip
        deciding = self._deciding(asked, errand, now)
        try:
            await store.commit(*deciding, store.grants.add(grant), store.codes.add(code), events=tuple(events))
        except Lost as error:
            if asked.pushed and error.step == 0:
                raise InvalidRequestUri from error
            raise _Stale("This was answered already. If the app still waits, go back to it and start again.") from error
        return self.deliver(asked.back, {"code": value})

    def _deciding(self, asked: Asked, errand: Errand | None, now: int) -> Sequence[Step]:
        steps = []
        begun = errand.record.created_at if errand else now
        if asked.pushed:
            steps.append(self.machines.store.pushed_requests.take(asked.pushed, now, begun_at=begun))
        if errand:
            steps.append(self.machines.store.interactions.finish(errand.record.hash, now))
        return steps

    async def refuse(self, asked: Asked, who: Visitor, errand: Errand) -> Answer:
        """The person said no: the errand ends, and the client hears of it."""
        machines = self.machines
        event = machines.event(
            "consent.refused", user=who.user.id if who.user else None, client=asked.client_id, address=who.address
        )
        try:
            await machines.store.commit(*self._deciding(asked, errand, machines.clock.now()), events=(event,))
        except Lost as error:
            raise _Stale("This was answered already. If the app still waits, go back to it and start again.") from error
        return self.deliver(asked.back, error_parameters(AccessDenied("The user did not allow it.")))


class _Stale(InvalidRequest):
    """Shown to the person, not sent to the client: it has its answer already."""


async def apis_of(machines: Machines, asked: Asked) -> list[Api]:
    """The APIs that a request is about; this server's own audiences are not among them."""
    found = [await machines.store.apis.get(audience) for audience in asked.audiences]
    return [api for api in found if api is not None]
