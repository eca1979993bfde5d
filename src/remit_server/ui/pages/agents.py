"""POST /accounts/{id}/agents: which agents may use the account, and which also while the person is away."""

from __future__ import annotations

from remit_server.records import ConnectedAccount
from remit_server.rules import sharing
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.accounts import accounts_page, label_of
from remit_server.ui.pages.doorkeeper import Posted, posted
from remit_server.vault import accounts
from remit_server.vault.accounts import Terms
from remit_server.wire.http import Answer, Request

TICKED = frozenset({"agent", "away"})  # the form has a box of each for each agent


class Agents:
    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        sent = await posted(request, machines, back="/accounts", repeatable=TICKED)
        if isinstance(sent, Answer):
            return sent
        account = await accounts.seen_one(machines, sent.user, request.params["id"])
        terms = await self._terms(sent, account)
        await accounts.agree(machines, sent.user, account, terms)
        which = "Only the agents that you ticked" if terms.limited else "All agents that are set up for it"
        done = f"{which} may use {label_of(account)}." if sharing.may_change(account, sent.user) else "Saved."
        return await accounts_page(machines, self._pages, sent.who, sent.user, done=done)

    async def _terms(self, sent: Posted, account: ConnectedAccount) -> Terms:
        """What the boxes say. Who may use it while the person is away may use it; and where all agents may, a tick more is
        no word of the person, which is kept as it was."""
        clients = {one.id for one in await self._machines.store.clients.all() if account.connection in one.connections}
        away = clients.intersection(sent.form.all("away"))
        limited = sent.form.get("limited") == "yes" if sharing.may_change(account, sent.user) else account.limited
        lendings = await self._machines.store.lendings.of_user(sent.user.id)
        before = {each.client_id for each in lendings if each.account_id == account.id}
        ticked = clients.intersection(sent.form.all("agent")) if limited else clients & before
        return Terms(limited=limited, lent={client: client in away for client in sorted(ticked | away)})
