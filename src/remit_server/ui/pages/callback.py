"""Back from another provider: GET /login/callback/{connection} from a sign-in, GET /connect/callback/{connection} from
connecting an account. Each provider has a redirect URI of its own, so that an answer of one cannot be taken for another's
(RFC 9700 section 4.4.2.2)."""

from __future__ import annotations

from remit_server.errors import InvalidRequest
from remit_server.identity import errands, upstream
from remit_server.identity.advance import Advance, see_other
from remit_server.records import ConnectAttempt, ConnectedAccount, Connection, User
from remit_server.rules.connecting import return_url
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.accounts import label_of, provider_name
from remit_server.ui.pages.doorkeeper import here, sign_in_first, signed_in
from remit_server.ui.pages.login import going, recognised
from remit_server.ui.render import Page
from remit_server.ui.telling import viewer_of
from remit_server.ui.views.accounts import ConnectDoneView
from remit_server.vault import connect
from remit_server.vault.connect import NotConnectedHere
from remit_server.wire.form import parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import visitor


class Callback:
    def __init__(self, machines: Machines, advance: Advance) -> None:
        self._machines, self._advance = machines, advance

    async def __call__(self, request: Request) -> Answer:
        machines, form = self._machines, parse_query(request)
        who = await visitor(request, machines)
        state = form.need("state")
        errand = await errands.find(machines, who, state)
        if errand.kind != "upstream" or errand.request["connection"] != request.params["connection"]:
            raise InvalidRequest("This answer belongs to another sign-in.", detail="state of another connection")
        towards = await going(machines, who, errand.request["resume"])
        person = await upstream.arrive(machines, errand, state, form)
        return await recognised(
            machines, self._advance, towards, who, request, user=person.user, amr=person.amr, auth_time=person.auth_time
        )


class ConnectCallback:
    """The person who left must be the one who comes back; the code goes to the provider that they left for."""

    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines, form = self._machines, parse_query(request)
        person = signed_in(who := await visitor(request, machines))
        if person is None:
            return await sign_in_first(machines, who, here(request))
        user, _ = person
        attempt, connection = await connect.returned(
            machines, user, request.params["connection"], state=form.need("state"), iss=form.get("iss")
        )
        try:
            account, connect_code = await connect.redeem(machines, attempt, connection, form.get("code"), form.plain())
        except NotConnectedHere as error:
            return await self._failed(user, attempt, connection, error)
        if attempt.redirect_uri:
            return see_other(return_url(attempt.redirect_uri, connect_code=connect_code, state=attempt.state))
        return await connected_page(machines, self._pages, user, attempt, account)

    async def _failed(
        self, user: User, attempt: ConnectAttempt, connection: Connection, error: NotConnectedHere
    ) -> Answer:
        if attempt.redirect_uri:
            said = {"error": error.code, "error_description": error.text, "state": attempt.state}
            return see_other(return_url(attempt.redirect_uri, **said))
        viewer = await viewer_of(self._machines, user)
        return self._pages(
            Page(ConnectDoneView(viewer=viewer, provider=provider_name(connection), problem=error.text))
        )  # fmt: skip


async def connected_page(
    machines: Machines, pages: Pages, user: User, attempt: ConnectAttempt, account: ConnectedAccount
) -> Answer:
    """Where a flow ends that no app waits for."""
    connection = await machines.store.connections.get(account.connection)
    meant = None
    if attempt.account_id not in {None, account.id}:
        meant = await machines.store.connected_accounts.get(attempt.account_id or "", attempt.owner)
    view = ConnectDoneView(
        viewer=await viewer_of(machines, user),
        provider=provider_name(connection) if connection else account.connection,
        label=account.label,
        instead_of=label_of(meant) if meant else None,
        waits=attempt.client_id is not None,
    )
    return pages(Page(view))
