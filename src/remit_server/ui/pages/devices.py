"""/devices and /devices/{id}: the browsers in which the person is told by push, and their passkeys."""

from __future__ import annotations

from remit_server.approvals.channels.web_push import WebPush
from remit_server.errors import Conflict, InvalidRequest
from remit_server.records import User
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.doorkeeper import posted, sign_in_first, signed_in
from remit_server.ui.pages.passkeys import named_after
from remit_server.ui.pages.security import passkeys_of
from remit_server.ui.render import Page
from remit_server.ui.telling import viewer_of
from remit_server.ui.views.devices import Browser, DevicesView
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, visitor


class Devices:
    """The page, and the form by which a browser is added."""

    def __init__(self, machines: Machines, pages: Pages, web_push: WebPush) -> None:
        self._machines, self._pages, self._web_push = machines, pages, web_push

    async def __call__(self, request: Request) -> Answer:
        if request.method != "POST":
            who = await visitor(request, self._machines)
            person = signed_in(who)
            if person is None:
                return await sign_in_first(self._machines, who, "/devices")
            return await self.page(request, who, person[0])
        sent = await posted(request, self._machines, back="/devices")
        if isinstance(sent, Answer):
            return sent
        form = sent.form
        device = named_after(request.header("user-agent") or "") or "A browser"
        try:
            await self._web_push.subscribe(
                sent.user, form.need("endpoint"), form.need("p256dh"), form.need("auth"),
                device=device, address=request.address,
            )  # fmt: skip
        except (Conflict, InvalidRequest) as error:
            return await self.page(request, sent.who, sent.user, error=error.text, status=error.status)
        return await self.page(request, sent.who, sent.user, done="This device is told from now on.")

    async def page(
        self,
        request: Request,
        who: Visitor,
        user: User,
        *,
        done: str | None = None,
        error: str | None = None,
        status: int = 200,
    ) -> Answer:
        machines = self._machines
        sender = await self._web_push.sender()
        view = DevicesView(
            csrf=who.csrf,
            viewer=await viewer_of(machines, user),
            now=machines.clock.now(),
            here=named_after(request.header("user-agent") or ""),
            key=sender.public if sender else None,
            browsers=tuple(
                Browser(id=each.id, device=each.device, created_at=each.created_at)
                for each in await machines.store.push_subscriptions.of_user(user.id)
            ),
            passkeys=await passkeys_of(machines, user),
            done=done,
            error=error,
        )
        return self._pages(Page(view, status))


class Device:
    """Takes a browser away."""

    def __init__(self, machines: Machines, page: Devices, web_push: WebPush) -> None:
        self._machines, self._page, self._web_push = machines, page, web_push

    async def __call__(self, request: Request) -> Answer:
        sent = await posted(request, self._machines, back="/devices")
        if isinstance(sent, Answer):
            return sent
        await self._web_push.unsubscribe(sent.user, request.params["id"], address=request.address)
        return await self._page.page(request, sent.who, sent.user, done="That device is not told any more.")
