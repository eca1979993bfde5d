"""GET /accounts: what the person has connected, and what could be."""

from __future__ import annotations

from remit_server.records import ConnectedAccount, Connection, User
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.doorkeeper import here, sign_in_first, signed_in
from remit_server.ui.render import Page
from remit_server.ui.telling import viewer_of
from remit_server.ui.views.accounts import Account, AccountsView, Offer
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, visitor

BROKEN = "The provider does not accept the grant any more."


class AccountsPage:
    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        who = await visitor(request, self._machines)
        person = signed_in(who)
        if person is None:
            return await sign_in_first(self._machines, who, here(request))
        return await accounts_page(self._machines, self._pages, who, person[0])


async def accounts_page(
    machines: Machines, pages: Pages, who: Visitor, user: User, *, done: str | None = None
) -> Answer:
    """The page; `done` says what just happened."""
    store = machines.store
    connections = {c.name: c for c in await store.connections.all() if "connected_accounts" in c.use}
    accounts = await store.connected_accounts.of_user(user.id)
    names = {
        account.used_by: client.name
        for account in accounts
        if account.used_by and (client := await store.clients.get(account.used_by))
    }
    view = AccountsView(
        csrf=who.csrf,
        viewer=await viewer_of(machines, user),
        now=machines.clock.now(),
        accounts=tuple(_account(each, connections.get(each.connection), names) for each in accounts),
        offers=tuple(
            Offer(connection=each.name, provider=provider_name(each), purpose=", ".join(each.scopes) or "whole account")
            for each in sorted(connections.values(), key=provider_name)
        ),
        done=done,
    )
    return pages(Page(view))


def provider_name(connection: Connection) -> str:
    """How people know it."""
    return connection.display_name or connection.name.capitalize()


def _account(account: ConnectedAccount, connection: Connection | None, names: dict[str, str]) -> Account:
    return Account(
        id=account.id,
        provider=provider_name(connection) if connection else account.connection,
        label=account.label or account.upstream_id or "an account",
        scopes=account.scopes,
        connected_at=account.created_at,
        last_used_at=account.used_at,
        last_used_by=names.get(account.used_by or "", account.used_by),
        health="working" if account.state == "ok" else "reconnect",
        cause=None if account.state == "ok" else account.cause or BROKEN,
    )
