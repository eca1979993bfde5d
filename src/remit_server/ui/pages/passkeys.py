"""GET and POST /security/passkeys: add a passkey. POST /security/passkeys/{id}: rename it or take it away."""

from __future__ import annotations

from typing import Final

from remit_server.errors import Conflict, InvalidRequest
from remit_server.identity import passkeys, second_factor
from remit_server.records import User
from remit_server.rules.authorization import TWO_FACTORS
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.doorkeeper import just_signed_in, sign_in_first
from remit_server.ui.pages.security import security_page
from remit_server.ui.render import Page
from remit_server.ui.telling import viewer_of
from remit_server.ui.views.security import PasskeysView
from remit_server.wire import csrf
from remit_server.wire.form import Form, parse_form
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, visitor

WRONG = "The passkey was not added: the answer of your browser came too late, or is not for this page. Try again."
DEVICES: Final = ("iPhone", "iPad", "Android", "Windows", "Mac", "CrOS", "Linux")


class Passkeys:
    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who = await visitor(request, machines)
        form = await parse_form(request) if request.method == "POST" else None
        if form:
            csrf.check(request, form, who, machines.settings)
        person = just_signed_in(who, machines)
        if person is None:
            return await sign_in_first(machines, who, "/security/passkeys", again=True)
        user, session = person
        ask = passkeys.asking(machines, who, "add", session.sid)
        if form is None or ask is None:
            return await self._page(who, user, ask, name=named_after(request.header("user-agent") or ""))
        return await self._add(request, form, who, user, ask)

    async def _add(self, request: Request, form: Form, who: Visitor, user: User, ask: passkeys.Asking) -> Answer:
        name = form.get("name") or ""
        try:
            passkey = await passkeys.add(ask, user, name, form.get("credential") or "", request)
        except (Conflict, InvalidRequest) as error:
            return await self._page(who, user, ask, name=name, error=error.text, status=error.status)
        if passkey is None:
            return await self._page(who, user, ask, name=name, error=WRONG, status=400)
        done = f"The passkey {passkey.name} is added. It signs you in from now on."
        return await security_page(self._machines, self._pages, who, user, done=done)

    async def _page(
        self,
        who: Visitor,
        user: User,
        ask: passkeys.Asking | None,
        *,
        name: str,
        error: str | None = None,
        status: int = 200,
    ) -> Answer:
        machines = self._machines
        view = PasskeysView(
            csrf=who.csrf,
            viewer=await viewer_of(machines, user),
            options=await passkeys.creation_for(ask, user) if ask else None,
            name=name,
            first=not await second_factor.is_set_up(machines.store, user.id),
            error=error,
        )
        return self._pages(Page(view, status))


def named_after(agent: str) -> str:
    """A first guess at a name: where the browser says that it runs."""
    return next((device for device in DEVICES if device in agent), "")


class Passkey:
    """With `remove` it goes; else `name` is its new name."""

    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who = await visitor(request, machines)
        form = await parse_form(request)
        csrf.check(request, form, who, machines.settings)
        person = just_signed_in(who, machines)
        # Who finds a browser open, or knows the password alone, takes no passkey away.
        if person is None or (form.has("remove") and person[1].acr != TWO_FACTORS):
            return await sign_in_first(machines, who, "/security", again=True)
        user, id_ = person[0], request.params["id"]
        try:
            if form.has("remove"):
                gone = await passkeys.remove(machines, user, id_, address=request.address)
                done = f"The passkey {gone.name} is removed."
            else:
                await passkeys.rename(machines, user, id_, form.get("name") or "")
                done = "The passkey has its new name."
        except (Conflict, InvalidRequest) as error:
            return await security_page(
                machines, self._pages, who, user, passkey_error=error.text, status=error.status
            )  # fmt: skip
        return await security_page(machines, self._pages, who, user, done=done)
