"""GET /accounts: what the person has connected, who uses it, and what could be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from remit_server.records import Client, ConnectedAccount, Connection, Lending, User
from remit_server.records.connection import ORGANISATION
from remit_server.rules import keeping, sharing
from remit_server.rules.connection import MOVED, belongs
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.doorkeeper import here, sign_in_first, signed_in
from remit_server.ui.render import Page
from remit_server.ui.telling import organisation_name, viewer_of
from remit_server.ui.views.accounts import Account, AccountsView, Offer, Provider, Scope, Use
from remit_server.vault import accounts as vault
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
    found = await vault.seen(machines, user)
    told = _Told(
        now=machines.clock.now(),
        user=user,
        organisation=await organisation_name(machines),
        clients={client.id: client for client in await store.clients.all() if client.state != "retired"},
        lendings=await store.lendings.of_user(user.id),
        accounts=found,
    )
    there = dict.fromkeys(account.connection for account in found)
    view = AccountsView(
        csrf=who.csrf,
        viewer=await viewer_of(machines, user),
        now=told.now,
        organisation=told.organisation,
        providers=tuple(told.provider(name, connections.get(name)) for name in there),
        offers=tuple(
            Offer(
                connection=each.name, title=provider_name(each), purpose=purpose_of(each),
                may_share=sharing.may_share(each, user),
            )
            for each in sorted(connections.values(), key=provider_name)
            if each.name not in there
        ),
        done=done,
    )  # fmt: skip
    return pages(Page(view))


def provider_name(connection: Connection) -> str:
    """How people know it."""
    return connection.display_name or connection.name.capitalize()


def label_of(account: ConnectedAccount) -> str:
    """How people know the account."""
    return account.label or account.upstream_id or "An account"


def scopes_told(connection: Connection | None, scopes: Iterable[str], new: Iterable[str] = ()) -> tuple[Scope, ...]:
    """Scopes in words, as far as there are any."""
    words = connection.scope_words if connection else {}
    fresh = frozenset(new)
    return tuple(Scope(scope=each, words=words.get(each), new=each in fresh) for each in scopes)


def purpose_of(connection: Connection) -> str:
    """What agents would do with an account there, in one line."""
    told = [each.words or each.scope for each in scopes_told(connection, connection.scopes)]
    return ", ".join(told) or "Whatever the account may do"


@dataclass(frozen=True)
class _Told:
    """What this person may know of the accounts, in the words of the page."""

    now: int
    user: User
    organisation: str
    clients: dict[str, Client]
    lendings: Sequence[Lending]
    accounts: Sequence[ConnectedAccount] = field(repr=False)

    def provider(self, name: str, connection: Connection | None) -> Provider:
        return Provider(
            connection=name,
            title=provider_name(connection) if connection else name,
            accounts=tuple(self.account(each, connection) for each in self.accounts if each.connection == name),
            may_connect=connection is not None,
            may_share=sharing.may_share(connection, self.user),
        )

    def account(self, account: ConnectedAccount, connection: Connection | None) -> Account:
        others = [
            each
            for each in self.accounts
            if (each.user_id, each.connection) == (account.user_id, account.connection) and each.id != account.id
        ]
        health, since, cause = _health(account, connection)
        return Account(
            id=account.id,
            label=label_of(account),
            shared_by=self.organisation if account.user_id == ORGANISATION else None,
            may_change=sharing.may_change(account, self.user),
            scopes=scopes_told(connection, account.scopes),
            connected_at=account.created_at,
            renewed_at=account.refreshed_at if account.refreshed_at != account.created_at else None,
            ends_at=keeping.ends_soon(account, connection, self.now) if connection else None,
            default=account.default and bool(others),
            may_default=bool(others) and not account.default,
            limited=account.limited,
            agents=tuple(self._uses(account)),
            health=health,
            since=since,
            cause=cause,
            takes_over=label_of(_next(others)) if others else None,
        )

    def _uses(self, account: ConnectedAccount) -> Iterable[Use]:
        """The agents that the organisation set up for the provider, and whoever else was lent the account or used it."""
        lent = {each.client_id: each for each in self.lendings if each.account_id == account.id}
        able = {id_ for id_, client in self.clients.items() if account.connection in client.connections}
        used = {account.used_by} if account.used_by and sharing.may_change(account, self.user) else set[str]()
        for id_ in sorted(able | lent.keys() | used, key=self._name):
            lending = lent.get(id_)
            yield Use(
                client_id=id_,
                name=self._name(id_),
                may=id_ in able and (lending is not None or not account.limited),
                away=lending is not None and lending.away,
                last_used_at=max(
                    (at for at in (lending and lending.used_at, account.used_at if id_ in used else None) if at),
                    default=None,
                ),
            )

    def _name(self, client_id: str) -> str:
        client = self.clients.get(client_id)
        return client.name if client else client_id


def _next(others: Sequence[ConnectedAccount]) -> ConnectedAccount:
    """The account that agents go on with: the default, or what becomes it."""
    return max(others, key=lambda each: (each.default, each.chosen))


def _health(
    account: ConnectedAccount, connection: Connection | None
) -> tuple[Literal["working", "trouble", "reconnect"], int | None, str | None]:
    if account.state != "ok":
        return "reconnect", None, account.cause or BROKEN
    if connection is not None and not belongs(account, connection):
        return "reconnect", None, MOVED
    if account.failing_since is not None:
        return "trouble", account.failing_since, account.failure or "The provider cannot be reached."
    return "working", None, None
