"""GET and POST /login; GET /login/{connection} leaves for another provider."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from remit_server.errors import InvalidRequest, NotFound
from remit_server.identity import errands, passkeys, second_factor, upstream
from remit_server.identity.advance import Advance, Errand, see_other
from remit_server.identity.second_factor import FirstStep
from remit_server.identity.sign_in import Recognised, SignedIn, TooMany, Unrecognised, by_password, start_session
from remit_server.records import Interaction, User
from remit_server.rules.authorization import Asked
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages, form_targets
from remit_server.ui.render import Page
from remit_server.ui.views.sign_in import SignInView, Upstream
from remit_server.wire import csrf
from remit_server.wire.form import parse_form, parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, remembering, visitor

HOME = "/approvals"
"""Where somebody goes who signed in for no errand."""
NO_PASSKEY = "That passkey opens no account here. Try another one, or your password."


@dataclass(frozen=True)
class Going:
    """What a sign-in is for."""

    errand: Errand | None = None
    asked: Asked | None = None

    @property
    def record(self) -> Interaction | None:
        return self.errand.record if self.errand else None


async def going(machines: Machines, who: Visitor, resume: str | None) -> Going:
    """The errand behind `resume`; none is fine, a wrong one is refused."""
    if not resume:
        return Going()
    record = await errands.find(machines, who, resume)
    if record.kind not in {"authorize", "sign_in"}:
        raise InvalidRequest("This link is for another page.")
    return Going(Errand(record, resume), errands.asked_in(record))


async def recognised(
    machines: Machines, advance: Advance, towards: Going, who: Visitor, request: Request, *,
    user: User, amr: tuple[str, ...], auth_time: int | None = None,
) -> Answer:  # fmt: skip
    """From the first step to a session, by way of the second where the person has set one up."""
    errand = towards.record.hash if towards.record else None
    if await second_factor.is_set_up(machines.store, user.id):
        resume = towards.errand.resume if towards.errand else ""
        first = FirstStep(user_id=user.id, amr=amr, auth_time=auth_time, errand=errand, resume=resume)
        return see_other(await second_factor.begin(machines, who, first))
    fresh = await start_session(machines, user, who, request, amr=amr, auth_time=auth_time, errand=errand)
    return await go_on(advance, towards, fresh)


async def go_on(advance: Advance, going: Going, signed_in: SignedIn) -> Answer:
    """From a sign-in to what it was for."""
    if going.asked:
        answer = await advance(going.asked, signed_in.who, going.errand)
    else:
        answer = see_other(str(going.record.request["return_to"]) if going.record else HOME)
    return answer.adding(signed_in.cookie)


class Login:
    def __init__(self, machines: Machines, pages: Pages, advance: Advance) -> None:
        self._machines, self._pages, self._advance = machines, pages, advance

    async def __call__(self, request: Request) -> Answer:
        who = await visitor(request, self._machines)
        if request.method == "POST":
            return await self._sign_in(request, who)
        resume = parse_query(request).get("resume")
        towards = await going(self._machines, who, resume)
        if who.user and not towards.errand:
            return see_other(HOME)
        identifier = (towards.asked.login_hint if towards.asked else None) or ""
        return remembering(await self._page(who, towards, identifier=identifier), who, self._machines)

    async def _sign_in(self, request: Request, who: Visitor) -> Answer:
        form = await parse_form(request)
        csrf.check(request, form, who, self._machines.settings)
        towards = await going(self._machines, who, form.get("resume"))
        if form.has("credential"):
            return await self._by_passkey(request, who, towards, form.get("credential") or "")
        identifier, password = form.get("identifier") or "", form.get("password") or ""
        match await by_password(self._machines, identifier, password, request):
            case TooMany(seconds):
                notice = f"Too many tries. Wait {words(seconds)}, then try again."
                page = await self._page(who, towards, identifier=identifier, notice=notice, status=429)
                return page.adding(("retry-after", str(seconds)))
            case Unrecognised():
                error = "That is not the right password, or there is no such account."
                return await self._page(who, towards, identifier=identifier, error=error, status=401)
            case Recognised(user):
                return await recognised(self._machines, self._advance, towards, who, request, user=user, amr=("pwd",))

    async def _by_passkey(self, request: Request, who: Visitor, towards: Going, credential: str) -> Answer:
        ask, errand = passkeys.asking(self._machines, who, "sign_in"), towards.record
        outcome = (
            await passkeys.sign_in(ask, credential, request, errand=errand.hash if errand else None) if ask else None
        )
        if isinstance(outcome, SignedIn):
            return await go_on(self._advance, towards, outcome)
        return await self._page(who, towards, passkey_error=NO_PASSKEY, status=401)

    async def _page(
        self,
        who: Visitor,
        towards: Going,
        *,
        identifier: str = "",
        error: str | None = None,
        passkey_error: str | None = None,
        notice: str | None = None,
        status: int = 200,
    ) -> Answer:
        store, asked = self._machines.store, towards.asked
        organisation = await store.organisation.get("organisation")
        client = await store.clients.get(asked.client_id) if asked else None
        resume = towards.errand.resume if towards.errand else ""
        others = [connection for connection in await store.connections.all() if "authentication" in connection.use]
        view = SignInView(
            csrf=who.csrf,
            resume=resume,
            organisation=organisation.name if organisation else "Remit",
            client_name=client.name if client else None,
            identifier=identifier[:512],
            error=error,
            notice=notice,
            passkey=passkeys.request_for(passkeys.asking(self._machines, who, "sign_in")),
            passkey_error=passkey_error,
            upstreams=tuple(
                Upstream(name=each.display_name or each.name, href=f"/login/{quote(each.name)}?resume={quote(resume)}")
                for each in others
            ),
        )
        return self._pages(Page(view, status, form_targets(asked.back.redirect_uri) if asked else ()))


def words(seconds: int) -> str:
    """How long that is, as people say it."""
    return f"{seconds} seconds" if seconds < 120 else f"{-(-seconds // 60)} minutes"


class Elsewhere:
    """GET /login/{connection}: sign in with another provider."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who = await visitor(request, machines)
        towards = await going(machines, who, parse_query(request).get("resume"))
        connection = await machines.store.connections.get(request.params["connection"])
        if connection is None or "authentication" not in connection.use:
            raise NotFound
        resume = towards.errand.resume if towards.errand else ""
        state = await errands.begin(machines, who, "upstream", {"connection": connection.name, "resume": resume})
        again = towards.record is not None and bool(towards.record.request.get("again"))
        location = await upstream.leave(machines, connection, state, towards.asked, again=again)
        return remembering(see_other(location), who, machines)
