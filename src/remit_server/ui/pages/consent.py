"""GET and POST /consent: may this client act for me?"""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec.structs import replace

from remit_server.errors import InvalidRequest
from remit_server.identity import errands
from remit_server.identity.advance import Advance, Errand, see_other
from remit_server.records import User
from remit_server.rules.authorization import Asked, client_named
from remit_server.rules.scopes import IDENTITY
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages, form_targets
from remit_server.ui.render import Page
from remit_server.ui.telling import acting_as, agent_of, details_told, permissions, still_asks
from remit_server.ui.views.consent import ConsentView, Permission
from remit_server.ui.views.parts import Viewer
from remit_server.wire import csrf
from remit_server.wire.form import parse_form, parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, visitor

SCOPES = frozenset({"scope"})  # the form has a box for each
TOLD_APART = frozenset({"openid", "offline_access"})
"""Scopes of which the page speaks in its own words."""


class Consent:
    def __init__(self, machines: Machines, pages: Pages, advance: Advance) -> None:
        self._machines, self._pages, self._advance = machines, pages, advance

    async def __call__(self, request: Request) -> Answer:
        who = await visitor(request, self._machines)
        if request.method == "POST":
            return await self._answer(request, who)
        errand, asked = await self._errand(who, parse_query(request).get("resume"))
        if who.user is None:
            return see_other(f"/login?resume={errand.resume}")
        return await self._ask(who, who.user, errand, asked)

    async def _errand(self, who: Visitor, resume: str | None) -> tuple[Errand, Asked]:
        if not resume:
            raise InvalidRequest("This page belongs to an app's request. Go back to the app and start again.")
        record = await errands.find(self._machines, who, resume)
        asked = errands.asked_in(record)
        if asked is None:
            raise InvalidRequest("This link is for another page.")
        return Errand(record, resume), asked

    async def _answer(self, request: Request, who: Visitor) -> Answer:
        form = await parse_form(request, repeatable=SCOPES)
        csrf.check(request, form, who, self._machines.settings)
        errand, asked = await self._errand(who, form.get("resume"))
        if form.get("answer") == "allow":
            return await self._advance(asked, who, errand, agreed=form.all("scope"))
        return await self._advance.refuse(asked, who, errand)

    async def _ask(self, who: Visitor, user: User, errand: Errand, asked: Asked) -> Answer:
        machines = self._machines
        client = client_named(await machines.store.clients.get(asked.client_id))
        name = user.name or user.email or user.id
        view = ConsentView(
            csrf=who.csrf,
            resume=errand.resume,
            viewer=Viewer(name=name, email=user.email or user.id, administrator=user.administrator),
            now=machines.clock.now(),
            agent=await agent_of(machines, client, client.id),
            purpose=client.purpose,
            return_host=_host(asked.back.redirect_uri),
            acting_as=await acting_as(machines, user),
            permissions=await self._permissions(asked),
            details=await details_told(machines, asked.details),
            lasts=self._lasts(asked),
            away="offline_access" in asked.scopes,
            still_asks=await still_asks(machines, asked.audiences),
        )
        return self._pages(Page(view, form_targets=form_targets(asked.back.redirect_uri)))

    async def _permissions(self, asked: Asked) -> tuple[Permission, ...]:
        """Those about the person first: they are what the client is told, and cannot be unticked."""
        scopes = sorted(
            (each for each in asked.scopes if each not in TOLD_APART), key=lambda each: each not in IDENTITY
        )
        told = await permissions(self._machines, tuple(scopes), asked.audiences)
        return tuple(replace(each, optional=each.scope not in IDENTITY) for each in told)

    def _lasts(self, asked: Asked) -> str:
        days = self._machines.settings.refresh_token_lifetime // 86400
        if "offline_access" in asked.scopes:
            return f"Until you take it back, or {days} days without use."
        return "While you are using it; its access runs out by itself within minutes."


def _host(redirect_uri: str) -> str:
    parts = urlsplit(redirect_uri)
    return parts.netloc or f"{parts.scheme}: (an app on this device)"
