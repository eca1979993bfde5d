"""GET /connect: the hosted start page of a connect link. POST /accounts/connect: the person begins by themselves.

A link works for one person. Whoever else opens it reads that there is nothing here, and learns neither whose it is nor what
it was for: a link that an attacker sends must not make the victim's account theirs (nor theirs the victim's).
"""

from __future__ import annotations

from collections.abc import Mapping

from remit_server.identity.advance import see_other
from remit_server.records import ConnectedAccount, Connection
from remit_server.records.provider import Field
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages, form_targets
from remit_server.ui.pages.accounts import label_of, provider_name, scopes_told
from remit_server.ui.pages.doorkeeper import here, posted, sign_in_first, signed_in
from remit_server.ui.render import Page
from remit_server.ui.telling import agent_of, organisation_name, viewer_of
from remit_server.ui.views.accounts import Candidate, ConnectStartView, Typed
from remit_server.ui.wording import host
from remit_server.vault import connect
from remit_server.vault.connect import Chosen, Opened
from remit_server.wire.form import parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, visitor


class ConnectPage:
    """Who asks, for what, and where it leads."""

    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who = await visitor(request, machines)
        ticket = parse_query(request).need("ticket")
        person = signed_in(who)
        if person is None:
            return await sign_in_first(machines, who, here(request))
        open_ = await connect.opened(machines, ticket, person[0])
        return await start_page(machines, self._pages, who, ticket, open_)


async def start_page(
    machines: Machines,
    pages: Pages,
    who: Visitor,
    ticket: str,
    open_: Opened,
    *,
    chosen: Chosen | None = None,
    typed: Mapping[str, str] | None = None,
    wrong: Mapping[str, str] | None = None,
) -> Answer:
    """The page. `chosen` and `typed` are what the person said before, `wrong` by field why it was not taken."""
    attempt, connection = open_.attempt, open_.connection
    client = await machines.store.clients.get(attempt.client_id) if attempt.client_id else None
    account = chosen.account if chosen else _proposed(open_)
    granted = account.scopes if account else ()
    lending = await machines.store.lendings.get(account.id, open_.user.id, client.id) if account and client else None
    keyed = is_typed(connection)
    view = ConnectStartView(
        csrf=who.csrf,
        viewer=await viewer_of(machines, open_.user),
        now=machines.clock.now(),
        ticket=ticket,
        provider=provider_name(connection),
        provider_host=None if keyed else host(connection.authorization_endpoint),
        agent=await agent_of(machines, client, client.id) if client else None,
        purpose=client.purpose if client else None,
        organisation=await organisation_name(machines) if attempt.shared else None,
        borrowers=connection.shared_with,
        scopes=scopes_told(
            connection, attempt.asked, (each for each in attempt.asked if account and each not in granted)
        ),
        accumulates=connection.scopes_accumulate,
        candidates=tuple(_candidate(each, open_, each is account) for each in open_.accounts),
        fields=tuple(_field(each, typed or {}, wrong or {}) for each in connection.fields) if keyed else (),
        away=chosen.away if chosen else False,
        away_already=lending is not None and lending.away,
    )
    targets = form_targets(attempt.redirect_uri) if attempt.redirect_uri else ()
    return pages(Page(view, status=422 if wrong else 200, form_targets=targets))


def is_typed(connection: Connection) -> bool:
    """Whether the person types a key or a password here, instead of going to the provider."""
    return connection.kind in {"api_key", "basic"}


def _field(field: Field, typed: Mapping[str, str], wrong: Mapping[str, str]) -> Typed:
    """A secret that was typed is not sent back, not even to who typed it."""
    value = "" if field.secret else typed.get(field.name, "")
    return Typed(
        name=field.name,
        title=field.title,
        secret=field.secret,
        help=field.help,
        value=value,
        error=wrong.get(field.name),
    )


def _proposed(open_: Opened) -> ConnectedAccount | None:
    """Whom the flow is about, or the default: asking for more keeps the account, unless the person wants another one."""
    if open_.attempt.account_id is not None:
        return next((each for each in open_.accounts if each.id == open_.attempt.account_id), None)
    if open_.attempt.client_id is None:
        return None  # who comes by themselves to connect has another one in mind
    return next((each for each in open_.accounts if each.default), None)


def _candidate(account: ConnectedAccount, open_: Opened, chosen: bool) -> Candidate:
    have = sum(scope in account.scopes for scope in open_.attempt.asked)
    wanted = len(open_.attempt.asked)
    if account.state != "ok":
        already = "Must be connected again"
    elif have == wanted:
        already = "Allows this already" if wanted else "Connected"
    else:
        already = f"Allows {have} of these {wanted}, and keeps what else it has" if have else "Keeps what else it has"
    return Candidate(id=account.id, label=label_of(account), already=already, chosen=chosen)


class ConnectByHand:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        sent = await posted(request, self._machines, back="/accounts")
        if isinstance(sent, Answer):
            return sent
        self._machines.throttle.check(f"connect|{sent.user.id}", per_minute=10, burst=20)
        shared = sent.form.get("for") == "organisation"
        begun = await connect.begin(self._machines, sent.user, sent.form.need("connection"), shared=shared)
        return see_other(f"/connect?ticket={begun.ticket}")
