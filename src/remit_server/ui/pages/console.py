"""GET /console: what the organisation has, for its administrators."""

from __future__ import annotations

from collections.abc import Sequence

from remit_server.errors import Forbidden
from remit_server.records import Organisation, User
from remit_server.rules import connecting
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.doorkeeper import here, sign_in_first, signed_in
from remit_server.ui.render import Page
from remit_server.ui.telling import viewer_of
from remit_server.ui.views.console import AgentRow, ConnectionRow, ConsoleView, KeyRow, Step, UserRow
from remit_server.wire.form import parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, visitor

DONE = {"suspended": "suspended. Every token of it is refused from now on", "active": "active again"}


class Console:
    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines, store = self._machines, self._machines.store
        who = await visitor(request, machines)
        if signed_in(who) is None:
            return await sign_in_first(machines, who, here(request))
        user = administrator(who)
        organisation = await store.organisation.get("organisation") or Organisation()
        agents_, users = await self._agents(), await self._users()
        connections = await self._connections()
        view = ConsoleView(
            csrf=who.csrf,
            viewer=await viewer_of(machines, user),
            now=machines.clock.now(),
            organisation=organisation.name,
            issuer=machines.settings.issuer,
            checklist=_checklist(agents_, users, connections, secure=machines.settings.secure),
            agents=agents_,
            users=users,
            connections=connections,
            keys=await self._keys(),
            done=await self._done(parse_query(request).get("agent")),
        )
        return self._pages(Page(view))

    async def _agents(self) -> tuple[AgentRow, ...]:
        rows = []
        for client in await self._machines.store.clients.all():
            if client.state == "retired":
                continue
            last = await self._machines.store.trail.of_client(client.id, limit=1)
            rows.append(
                AgentRow(
                    id=client.id, name=client.name, kind=client.kind, state=client.state, owner=client.owner,
                    purpose=client.purpose or "", last_seen_at=last[0][1].at if last else None,
                    self_registered=client.dynamic,
                )
            )  # fmt: skip
        return tuple(sorted(rows, key=lambda row: (row.state != "suspended", row.kind != "agent", row.name)))

    async def _users(self) -> tuple[UserRow, ...]:
        rows = []
        for user in await self._machines.store.users.all():
            last = await self._machines.store.trail.of_user(user.id, limit=1)
            rows.append(
                UserRow(
                    id=user.id, name=user.name or user.email or user.id, email=user.email or "", groups=user.groups,
                    administrator=user.administrator, last_seen_at=last[0][1].at if last else None,
                )
            )  # fmt: skip
        return tuple(rows)

    async def _connections(self) -> tuple[ConnectionRow, ...]:
        settings = self._machines.settings
        counts = await self._machines.store.connected_accounts.counts()
        rows = []
        for one in await self._machines.store.connections.all():
            uris = {
                "authentication": settings.url(f"/login/callback/{one.name}"),
                "connected_accounts": connecting.callback(settings.url(""), one.name),
            }
            rows += [  # a row for each use, as each has a redirect URI of its own
                ConnectionRow(
                    name=one.display_name or one.name, provider=one.provider, redirect_uri=uris[use], uses=(use,),
                    accounts=counts.get(one.name, 0),
                )
                for use in one.use
            ]  # fmt: skip
        return tuple(rows)

    async def _keys(self) -> tuple[KeyRow, ...]:
        states = {"next": "next", "current": "signing", "retired": "verifying"}
        keys = await self._machines.store.signing_keys.all()
        shown = {key["kid"] for key in (await self._machines.keys.jwks())["keys"]}
        rows = [
            KeyRow(kid=key.kid, alg=key.alg, state=states[key.state], since=key.retired_at or key.created_at)  # type: ignore[arg-type]
            for key in keys
            if key.kid in shown
        ]
        return tuple(sorted(rows, key=lambda row: (row.alg, row.state != "signing", -row.since)))

    async def _done(self, client_id: str | None) -> str | None:
        """What the form before this page did: told from what is, not from what a link says."""
        client = await self._machines.store.clients.get(client_id) if client_id else None
        return f"{client.name} is {DONE[client.state]}." if client and client.state in DONE else None


def administrator(who: Visitor) -> User:
    """The person, if they administer. Raises `Forbidden`."""
    if who.user is None or not who.user.administrator:
        raise Forbidden("The console is for administrators.")
    return who.user


def _checklist(
    agents_: Sequence[AgentRow], users: Sequence[UserRow], connections: Sequence[ConnectionRow], *, secure: bool
) -> tuple[Step, ...]:
    return (
        Step(words="An administrator", done=any(user.administrator for user in users)),
        Step(
            words="TLS",
            done=secure,
            how="Start with --tls-cert and --tls-key, or behind a proxy with an https --issuer.",
        ),
        Step(words="A first agent", done=bool(agents_), how="Add it to remit.yaml and run: remit apply remit.yaml"),
        Step(
            words="Somebody answers for every agent",
            done=all(agent.owner for agent in agents_ if agent.kind == "agent"),
            how="Give each agent an owner in remit.yaml.",
        ),
        Step(
            words="A connection to borrow accounts from",
            done=bool(connections),
            how="Add it under connections in remit.yaml.",
        ),
    )
