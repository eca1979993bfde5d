"""From records to what pages say of them: who an agent is, what a scope lets it do, how a detail reads."""

from __future__ import annotations

import re
from typing import Literal

from remit_server.records import Api, Approval, Client, User
from remit_server.rules import reading
from remit_server.rules.details import Details
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
ABOUT_YOUR_ACCOUNT = {
    "create:me:connected_accounts": "start connecting your accounts elsewhere, which you confirm each time",
    "read:me:connected_accounts": "see which accounts you have connected",
    "delete:me:connected_accounts": "disconnect your accounts",
    "read:me:approvals": "see what you are asked to approve",
    "vault:proxy": "use the accounts that you connect, through Remit",
    "answer:me:approvals": "answer in your name what you are asked to approve",
    "read:me:allowances": "see what your agents may do without asking",
    "delete:me:allowances": "take back what your agents may do without asking",
    "read:me:agents": "see which agents may not ask you",
    "update:me:agents": "stop your agents, report them, and choose which may ask you",
    "read:me:passkeys": "see your passkeys",
    "update:me:passkeys": "rename your passkeys",
    "delete:me:passkeys": "remove your passkeys",
    "read:me:notifications": "see how you are told that an agent waits for you",
    "update:me:notifications": "change how you are told that an agent waits for you",
}
READS = frozenset({"read", "readonly", "list", "view", "search"})
CHANGES = frozenset(
    {"write", "readwrite", "create", "add", "edit", "update", "change", "delete", "remove", "send", "manage", "admin"}
)


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


async def agent_of(
    machines: Machines, client: Client | None, client_id: str, *, last_asked_at: int | None = None
) -> Agent:
    """A client as people get to know it; its owner by name where there is one."""
    if client is None:
        return Agent(name=client_id, last_asked_at=last_asked_at)
    owner = await machines.store.users.by_email(client.owner) if client.owner else None
    return Agent(
        name=client.name,
        owner=(owner.name if owner else None) or client.owner,
        registered_at=client.created_at or None,
        self_registered=client.dynamic,
        last_asked_at=last_asked_at,
    )


async def acting_as(machines: Machines, user: User) -> str:
    """Whom an agent would act for: `Ada Lovelace at Acme`."""
    name = user.name or user.email or user.id
    organisation = await machines.store.organisation.get("organisation")
    return f"{name} at {organisation.name}" if organisation else name


async def organisation_name(machines: Machines) -> str:
    """How the organisation calls itself; while it has not said, `your organisation`."""
    organisation = await machines.store.organisation.get("organisation")
    return organisation.name if organisation else "your organisation"


async def permissions(
    machines: Machines, scopes: tuple[str, ...], audiences: tuple[str, ...]
) -> tuple[Permission, ...]:
    """Scopes in plain words, each with the API that it opens and what is at stake."""
    apis = [api for audience in audiences if (api := await machines.store.apis.get(audience))]
    return tuple(_permission(scope, [api for api in apis if scope in api.scopes]) for scope in scopes)


def _permission(scope: str, apis: list[Api]) -> Permission:
    if scope in ABOUT_YOU:
        return Permission(scope=scope, words=ABOUT_YOU[scope])
    if scope in ABOUT_YOUR_ACCOUNT and not apis:
        return Permission(
            scope=scope, words=ABOUT_YOUR_ACCOUNT[scope], audience="your account here", risk=risk_of(scope)
        )
    # Two APIs may call different things by one name: then the one box allows both.
    words = " and ".join(dict.fromkeys(api.scopes[scope][:1].lower() + api.scopes[scope][1:] for api in apis))
    names = ", ".join(api.name for api in apis) or None
    return Permission(scope=scope, words=words or scope, audience=names, risk=risk_of(scope))


def risk_of(scope: str) -> Literal["reads", "changes"]:
    """Whether a scope's name speaks of looking only. What cannot be told counts as a change."""
    words = set(re.split(r"[:./_\-]", scope.lower()))
    return "reads" if words & READS and not words & CHANGES else "changes"


async def details_told(machines: Machines, details: Details) -> tuple[Detail, ...]:
    """Rich requests in the words of their types."""
    types = await known_types(machines)
    return tuple(told(reading.read(each, types.get(each["type"]))) for each in details)


def told(read: reading.Reading) -> Detail:
    return Detail(sentence=read.sentence, facts=facts_of(read), known=read.known)


def facts_of(read: reading.Reading) -> tuple[Fact, ...]:
    return tuple(
        Fact(label=line.label, value=line.value, emphasis=line.emphasis, block=line.block) for line in read.lines
    )


async def still_asks(machines: Machines, audiences: tuple[str, ...]) -> tuple[str, ...]:
    """What the APIs want asked each time, whatever is allowed once: `every order at a broker`."""
    types = await known_types(machines)
    titles = []
    for audience in audiences:
        api = await machines.store.apis.get(audience)
        for name in (*api.authorization_details, *api.undescribed_details) if api else ():
            title = str(types[name].document["title"]) if name in types else name
            titles.append(f"every {title[:1].lower()}{title[1:]}")
    return tuple(dict.fromkeys(titles))


async def asked_for(machines: Machines, approval: Approval) -> reading.Reading:
    """The request in the words of its detail type; several in one sentence, their facts one after the other."""
    if not approval.details:
        rows = await permissions(machines, approval.scopes, approval.audiences)
        words = [row.words for row in rows if row.scope != "openid"]
        return reading.Reading(
            sentence="act as you" if words else "know that it is you",
            lines=tuple(reading.Line("It may", line) for line in words),
            effect="It gets these permissions" if words else "It learns that you are there",
        )
    types = await known_types(machines)
    read = [reading.read(each, types.get(each["type"])) for each in approval.details]
    if len(read) == 1:
        return read[0]
    return reading.Reading(
        sentence=" and ".join(each.sentence for each in read),
        lines=tuple(line for each in read for line in each.lines),
        effect="; ".join(each.effect for each in read),
        known=all(each.known for each in read),
    )
