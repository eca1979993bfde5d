"""GET and POST /consent: may this client act for me?"""

from __future__ import annotations

from urllib.parse import urlsplit

from remit_server.errors import InvalidRequest
from remit_server.identity import errands
from remit_server.identity.advance import Advance, Errand, apis_of, see_other
from remit_server.records import Api, Client, User
from remit_server.rules import reading
from remit_server.rules.authorization import Asked, client_named
from remit_server.rules.scopes import ACCOUNT, IDENTITY
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages, form_targets
from remit_server.ui.render import Page
from remit_server.ui.views.consent import ConsentView, Permission
from remit_server.ui.views.parts import Agent, Detail, Fact, Viewer
from remit_server.wire import csrf
from remit_server.wire.details import known_types
from remit_server.wire.form import parse_form, parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, visitor

SCOPES = frozenset({"scope"})  # the form has a box for each

IDENTITY_WORDS = {"profile": "see your name", "email": "see your e-mail address", "groups": "see the groups you are in"}
ACCOUNT_WORDS = {
    "create:me:connected_accounts": "start connecting your accounts elsewhere, which you confirm each time",
    "read:me:connected_accounts": "see which accounts you have connected",
    "delete:me:connected_accounts": "disconnect your accounts",
    "read:me:approvals": "see what you are asked to approve",
    "answer:me:approvals": "answer in your name what you are asked to approve",
}


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
        machines, store = self._machines, self._machines.store
        client = client_named(await store.clients.get(asked.client_id))
        organisation = await store.organisation.get("organisation")
        types = await known_types(machines)
        details = [reading.read(detail, types.get(str(detail.get("type")))) for detail in asked.details]
        name = user.name or user.email or user.id
        view = ConsentView(
            csrf=who.csrf,
            resume=errand.resume,
            viewer=Viewer(name=name, email=user.email or user.id, administrator=user.administrator),
            now=machines.clock.now(),
            agent=await self._agent(client),
            purpose=client.purpose,
            return_host=_host(asked.back.redirect_uri),
            acting_as=f"{name} at {organisation.name}" if organisation else name,
            permissions=permissions(asked, await apis_of(machines, asked)),
            details=tuple(
                Detail(
                    sentence=read.sentence,
                    facts=tuple(
                        Fact(label=line.label, value=line.value, emphasis=line.emphasis) for line in read.lines
                    ),
                    known=read.known,
                )
                for read in details
            ),
            lasts=self._lasts(asked),
            away="offline_access" in asked.scopes,
        )
        return self._pages(Page(view, form_targets=form_targets(asked.back.redirect_uri)))

    async def _agent(self, client: Client) -> Agent:
        owner = await self._machines.store.users.by_email(client.owner) if client.owner else None
        return Agent(
            name=client.name,
            owner=(owner.name or owner.email) if owner else client.owner,
            registered_at=client.created_at or None,
            self_registered=client.dynamic,
        )

    def _lasts(self, asked: Asked) -> str:
        days = self._machines.settings.refresh_token_lifetime // 86400
        if "offline_access" in asked.scopes:
            return f"Until you take it back, or {days} days without use."
        return "While you are using it; its access runs out by itself within minutes."


def permissions(asked: Asked, apis: list[Api]) -> tuple[Permission, ...]:
    """Each scope in the words of its API, those about the person first. `openid` alone says nothing and is not listed."""
    found = [Permission(scope=scope, words=IDENTITY_WORDS[scope]) for scope in asked.scopes if scope in IDENTITY_WORDS]
    for scope in asked.scopes:
        if scope in IDENTITY:
            continue
        api = next((api for api in apis if scope in api.scopes), None)
        words = api.scopes[scope] if api else ACCOUNT_WORDS.get(scope, scope)
        found.append(
            Permission(
                scope=scope,
                words=words[:1].lower() + words[1:],
                audience=api.name if api else "Remit" if scope in ACCOUNT else None,
                risk="reads" if _only_reads(scope) else "changes",
                optional=True,
            )
        )
    return tuple(found)


def _only_reads(scope: str) -> bool:
    """By the name alone, so in doubt it makes changes."""
    words = scope.replace(".", ":").replace("/", ":").split(":")
    return "read" in words or "readonly" in words or "view" in words


def _host(redirect_uri: str) -> str:
    parts = urlsplit(redirect_uri)
    return parts.netloc or f"{parts.scheme}: (an app on this device)"
