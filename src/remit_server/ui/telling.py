"""From records to what pages say of them: who an agent is, what a scope lets it do, how a detail reads."""

from __future__ import annotations

from typing import Literal

from remit_server.records import Client, User
from remit_server.rules import reading
from remit_server.rules.details import Details
from remit_server.rules.scopes import ACCOUNT
from remit_server.runtime.machines import Machines
from remit_server.ui.views.consent import Permission
from remit_server.ui.views.parts import Agent, Detail, Fact, Viewer
from remit_server.wire.details import known_types

ABOUT_YOU = {
    "openid": "know that it is you",
    "profile": "see your name and profile",
    "email": "see your e-mail address",
    "groups": "see which groups you are in",
    "offline_access": "go on while you are away",
}
READS = ("read", "list", "view", "get", "search", "openid", "profile", "email", "groups")


async def viewer_of(machines: Machines, user: User) -> Viewer:
    """The signed-in person, with the number of requests that wait for them."""
    now = machines.clock.now()
    approvals = await machines.store.approvals.of_user(user.id)
    waiting = sum(each.state in {"pending", "info_requested"} and each.expires_at > now for each in approvals)
    return Viewer(
        name=user.name or user.email or user.id,
        email=user.email or "",
        administrator=user.administrator,
        waiting=waiting,
    )


async def agent_of(machines: Machines, client: Client | None, client_id: str) -> Agent:
    """A client as people get to know it; its owner by name where there is one."""
    if client is None:
        return Agent(name=client_id)
    owner = await machines.store.users.by_email(client.owner) if client.owner else None
    return Agent(
        name=client.name,
        owner=(owner.name if owner else None) or client.owner,
        registered_at=client.created_at or None,
        self_registered=client.dynamic,
    )


async def acting_as(machines: Machines, user: User) -> str:
    """Whom an agent would act for: `Ada Lovelace at Acme`."""
    name = user.name or user.email or user.id
    organisation = await machines.store.organisation.get("organisation")
    return f"{name} at {organisation.name}" if organisation else name


async def permissions(
    machines: Machines, scopes: tuple[str, ...], audiences: tuple[str, ...]
) -> tuple[Permission, ...]:
    """Scopes in plain words, each with the API that it opens and what is at stake."""
    apis = [api for audience in audiences if (api := await machines.store.apis.get(audience))]
    rows = []
    for scope in scopes:
        if scope in ABOUT_YOU:
            rows.append(Permission(scope=scope, words=ABOUT_YOU[scope]))
            continue
        api = next((api for api in apis if scope in api.scopes), None)
        words = api.scopes[scope] if api else scope
        rows.append(
            Permission(
                scope=scope,
                words=words[:1].lower() + words[1:],
                audience=api.name if api else "your account here" if scope in ACCOUNT else None,
                risk=risk_of(scope),
            )
        )
    return tuple(rows)


def risk_of(scope: str) -> Literal["reads", "changes"]:
    """Whether a scope's name speaks of looking only. What cannot be told counts as a change."""
    words = scope.lower().replace(".", ":").replace("_", ":").split(":")
    return "reads" if any(word in READS for word in words) else "changes"


async def details_told(machines: Machines, details: Details) -> tuple[Detail, ...]:
    """Rich requests in the words of their types."""
    types = await known_types(machines)
    return tuple(told(reading.read(each, types.get(each["type"]))) for each in details)


def told(read: reading.Reading) -> Detail:
    return Detail(sentence=read.sentence, facts=facts_of(read), known=read.known)


def facts_of(read: reading.Reading) -> tuple[Fact, ...]:
    return tuple(Fact(label=line.label, value=line.value, emphasis=line.emphasis) for line in read.lines)


async def still_asks(machines: Machines, audiences: tuple[str, ...]) -> tuple[str, ...]:
    """What the APIs want asked each time, whatever is allowed once: the titles of their detail types."""
    types = await known_types(machines)
    titles = []
    for audience in audiences:
        api = await machines.store.apis.get(audience)
        for name in api.authorization_details if api else ():
            title = str(types[name].document["title"]) if name in types else name
            titles.append(title[:1].lower() + title[1:])
    return tuple(dict.fromkeys(titles))
