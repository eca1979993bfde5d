"""GET /security: how the person signs in, and whether a second factor stands before it."""

from __future__ import annotations

from typing import Literal

from remit_server.records import User
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.doorkeeper import just_signed_in, sign_in_first
from remit_server.ui.render import Page
from remit_server.ui.telling import viewer_of
from remit_server.ui.views.security import Passkey, SecurityView
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, visitor


class Security:
    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        who = await visitor(request, self._machines)
        person = just_signed_in(who, self._machines)
        if person is None:
            return await sign_in_first(self._machines, who, "/security", again=True)
        return await security_page(self._machines, self._pages, who, person[0])


async def security_page(
    machines: Machines,
    pages: Pages,
    who: Visitor,
    user: User,
    *,
    done: str | None = None,
    error: str | None = None,
    passkey_error: str | None = None,
    code_error: str | None = None,
    status: int = 200,
) -> Answer:
    """The page; `done` says what just happened, `error` why the app was not removed, `passkey_error` why a passkey
    is as it was, `code_error` why the code for agents is."""
    factor = await machines.store.second_factors.get(user.id)
    view = SecurityView(
        csrf=who.csrf,
        viewer=await viewer_of(machines, user),
        now=machines.clock.now(),
        app_since=factor.confirmed_at if factor else None,
        done=done,
        passkeys=await passkeys_of(machines, user),
        code=await _own_code(machines, user),
        error=error,
        passkey_error=passkey_error,
        code_error=code_error,
    )
    return pages(Page(view, status))


async def passkeys_of(machines: Machines, user: User) -> tuple[Passkey, ...]:
    """The person's passkeys, as a page lists them."""
    return tuple(
        Passkey(id=each.id, name=each.name, created_at=each.created_at, used_at=each.used_at, synced=each.synced)
        for each in await machines.store.passkeys.of_user(user.id)
    )


async def _own_code(machines: Machines, user: User) -> Literal["chosen", "wanted"] | None:
    """Whether the person has a code for agents to bring, and if not, whether there is an agent that must."""
    if user.backchannel_user_code is not None:
        return "chosen"
    clients = await machines.store.clients.all()
    return "wanted" if any(client.backchannel_user_code_parameter for client in clients) else None
