"""The way into pages that need a person: sign in first, then come back."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from remit_server.identity import errands
from remit_server.identity.advance import see_other
from remit_server.records import Session, User
from remit_server.runtime.machines import Machines
from remit_server.wire import csrf
from remit_server.wire.form import REPEATABLE, Form, parse_form
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, remembering, visitor

RECENT = 600
"""Seconds that a sign-in counts as recent."""


def signed_in(who: Visitor) -> tuple[User, Session] | None:
    """The person and their session, if somebody is signed in."""
    return (who.user, who.session) if who.user and who.session else None


def just_signed_in(who: Visitor, machines: Machines) -> tuple[User, Session] | None:
    """The same, if they have shown lately who they are: for what a borrowed browser must not change."""
    person = signed_in(who)
    return person if person and machines.clock.now() - person[1].auth_time < RECENT else None


async def sign_in_first(machines: Machines, who: Visitor, path: str, *, again: bool = False) -> Answer:
    """To the sign-in page, and back to a path of ours afterwards; `again` asks another provider for a new sign-in, too."""
    assert path.startswith("/"), "only our own pages are returned to"
    assert not path.startswith(("//", "/\\")), "two slashes name another host"
    resume = await errands.begin(machines, who, "sign_in", {"return_to": path, "again": again})
    return remembering(see_other(f"/login?resume={resume}"), who, machines)


def here(request: Request) -> str:
    """The path and query of this request."""
    return quote(request.path) + (f"?{request.query}" if request.query else "")


@dataclass(frozen=True)
class Posted:
    """A form of ours, and the signed-in person who sent it."""

    form: Form
    who: Visitor
    user: User
    session: Session


async def posted(
    request: Request, machines: Machines, *, back: str, repeatable: frozenset[str] = REPEATABLE
) -> Posted | Answer:
    """What a person sent; for somebody who is not signed in any more, the way to the sign-in page, and from there to the
    page `back`. Raises `Forbidden` for a form that no page of ours showed to them."""
    who = await visitor(request, machines)
    form = await parse_form(request, repeatable=repeatable)
    csrf.check(request, form, who, machines.settings)
    person = signed_in(who)
    return Posted(form, who, *person) if person else await sign_in_first(machines, who, back)
