"""/device: enter the code, and look who asks (RFC 8628 section 3.3, BCP 247).

The link with the code in it saves typing and nothing else: the person still compares the code and still decides.
"""

from __future__ import annotations

from remit_server.config import is_loopback
from remit_server.errors import Conflict, ProtocolError, TooManyRequests
from remit_server.records import Approval
from remit_server.rules import user_code
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.doorkeeper import here, sign_in_first
from remit_server.ui.render import Page
from remit_server.ui.telling import acting_as, agent_of, details_told, permissions, still_asks, viewer_of
from remit_server.ui.views.device import DeviceCodeView, DeviceConfirmView
from remit_server.wire import csrf
from remit_server.wire.form import parse_form, parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, remembering, visitor

WINDOW = 600
WRONG_FROM_ONE_NETWORK = 10
WRONG_FROM_ALL = 200
"""Wrong codes in `WINDOW` seconds before a pause. With 20**8 codes of which a hundred are open, 200 guesses in ten minutes
find one in some 200 days (RFC 8628 section 5.1)."""
UNKNOWN = "This code is not known, or it has expired. Look at your device again, or start there anew."


class DevicePage:
    """Enter the code, then see who asks."""

    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who = await visitor(request, machines)
        if request.method != "POST":
            typed = parse_query(request).get("user_code") or ""
            if typed and who.user is None:
                return await sign_in_first(machines, who, here(request))
            return await self._ask(who, typed=typed[:40])
        form = await parse_form(request)
        csrf.check(request, form, who, machines.settings)
        typed = (form.get("user_code") or "")[:40]
        code = user_code.normalised(typed)
        if who.user is None:
            path = f"/device?user_code={user_code.formatted(code)}" if code else "/device"
            return await sign_in_first(machines, who, path)
        try:
            approval = await open_request(machines, request, code)
        except ProtocolError as error:
            page = await self._ask(who, typed=typed, error=error.text, status=error.status)
            return page.adding(*((name.lower(), value) for name, value in error.headers.items()))
        return await self._confirm(approval, who, user_code.formatted(code or ""))

    async def _ask(self, who: Visitor, *, typed: str, error: str | None = None, status: int = 200) -> Answer:
        viewer = await viewer_of(self._machines, who.user) if who.user else None
        view = DeviceCodeView(csrf=who.csrf, viewer=viewer, user_code=typed, error=error)
        return remembering(self._pages(Page(view, status=status)), who, self._machines)

    async def _confirm(self, approval: Approval, who: Visitor, shown: str) -> Answer:
        machines = self._machines
        assert who.user is not None, "the caller sends others to sign in"
        client = await machines.store.clients.get(approval.client_id)
        view = DeviceConfirmView(
            csrf=who.csrf,
            viewer=await viewer_of(machines, who.user),
            now=machines.clock.now(),
            user_code=shown,
            agent=await agent_of(machines, client, approval.client_id),
            asked_at=approval.created_at,
            place=f"{approval.origin}, this machine" if is_loopback(approval.origin) else approval.origin or "unknown",
            acting_as=await acting_as(machines, who.user),
            permissions=await permissions(machines, approval.scopes, approval.audiences),
            details=await details_told(machines, approval.details),
            lasts=_lasts(approval, machines),
            still_asks=await still_asks(machines, approval.audiences),
        )
        return self._pages(Page(view))


async def open_request(machines: Machines, request: Request, code: str | None) -> Approval:
    """The open request of a code. Raises `Conflict` for a wrong one and `TooManyRequests` after too many wrong ones."""
    once, now = machines.store.once, machines.clock.now()
    limits = {f"user code|{request.network}": WRONG_FROM_ONE_NETWORK, "user code": WRONG_FROM_ALL}
    for key, most in limits.items():
        if await once.attempts(key, now) >= most:
            raise TooManyRequests(
                "Too many wrong codes. Wait ten minutes, then try again.", headers={"Retry-After": str(WINDOW)}
            )
    approval = None
    if code is not None:
        approval = await machines.store.approvals.by_user_code(machines.peppers.mac("user code", code))
    if approval is None or approval.state != "pending" or approval.expires_at <= now:
        for key in limits:
            await machines.store.commit(*once.attempt(key, now, WINDOW))
        raise Conflict(UNKNOWN)
    return approval


def _lasts(approval: Approval, machines: Machines) -> str:
    if "offline_access" in approval.scopes:
        days = machines.settings.refresh_token_lifetime // 86400
        return f"Until you take it back, or {days} days without use"
    return "A few minutes, then it must ask again"
