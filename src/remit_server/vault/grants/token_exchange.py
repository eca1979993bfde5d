"""Borrow a connected account: token exchange (RFC 8693), by its own grant type and by the one that Auth0's SDKs send."""

from __future__ import annotations

from typing import Final

from remit_server.errors import (
    InvalidGrant,
    InvalidRequest,
    InvalidTarget,
    NotConnected,
    ProtocolError,
    UpstreamRefused,
)
from remit_server.records import Client, Connection, Token, User
from remit_server.rules import exchange, scopes
from remit_server.rules.connection import Use
from remit_server.rules.providers import KEYED
from remit_server.runtime.machines import Machines
from remit_server.runtime.ports import Act
from remit_server.runtime.verify import Dead
from remit_server.storage.contract import Lost
from remit_server.vault import connect
from remit_server.vault.refresh import Refresher
from remit_server.wire.form import Form
from remit_server.wire.grants import TokenRequest
from remit_server.wire.http import Answer, json_answer
from remit_server.wire.tokens import permitted

RFC_8693: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
FEDERATED: Final = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token"
UNKNOWN_LIFETIME: Final = 3600
"""`expires_in` when the provider does not say: clients need a number, and to ask again costs little."""


class TokenExchange:
    name = "token_exchange"

    def __init__(self, machines: Machines, refresher: Refresher, grant_type: str) -> None:
        self._machines, self._refresher, self.type = machines, refresher, grant_type
        self._issues = exchange.FEDERATED if grant_type == FEDERATED else exchange.ACCESS

    async def __call__(self, asked: TokenRequest) -> Answer:
        machines, form, client = self._machines, asked.form, asked.client
        if form.has("actor_token") or form.has("actor_token_type"):
            raise InvalidRequest("The client itself is the actor: an actor_token is not accepted.")
        issued_type = exchange.issued_type(form.get("requested_token_type"), default=self._issues)
        token, user = await self._subject(form, client, asked.jkt)
        wanted = scopes.parse(form.get("scope"))
        connection = await self._connection(form, client)
        act = Act(
            kind="exchange", client=client, user=user, connection=connection.name, scopes=wanted,
            actors=({"sub": client.id}, *token.actors) if token.client_id == client.id
            else ({"sub": client.id}, {"sub": token.client_id}, *token.actors),
        )  # fmt: skip
        permit = await permitted(machines, act)

        may = client.connections[connection.name]
        accounts = await machines.store.connected_accounts.connected(user.id, connection.name)
        account = exchange.choose(accounts, form.get("login_hint"))
        if account is None:
            raise await self._with_link(NotConnected(), user, client, connection, wanted)
        share = exchange.share(account, may, wanted)
        if not share.scopes and account.scopes:
            raise await self._with_link(
                NotConnected("The user has granted nothing that this client may borrow."),
                user,
                client,
                connection,
                wanted,
            )
        try:
            use = await self._refresher.usable(connection, account, share.scopes, may=frozenset(may))
        except (UpstreamRefused, NotConnected) as error:
            raise await self._with_link(error, user, client, connection, wanted) from None

        now = machines.clock.now()
        event = machines.event(
            "vault.exchanged", user=user.id, client=client.id, subject=account.id, address=asked.request.address,
            chain=tuple(str(actor["sub"]) for actor in act.actors[1:]), connection=connection.name,
            scope=" ".join(use.scopes), by=token.jti, why=list(permit.why),
        )  # fmt: skip
        try:
            await machines.store.commit(
                machines.store.connected_accounts.touch(account.id, now, client.id), events=(event,)
            )
        except Lost as error:
            raise NotConnected("The user has disconnected this account.") from error
        answer = _answer(use, issued_type, now)
        if share.missing:
            answer |= await self._link(user, client, connection, wanted)
        return json_answer(answer)

    async def _subject(self, form: Form, client: Client, jkt: str | None) -> tuple[Token, User]:
        """The token that stands for the person, and the person. Nothing else in the request says who it is."""
        machines = self._machines
        kind = exchange.subject_kind(form.need("subject_token_type"))
        live = await machines.verify(form.need("subject_token"), kind=kind)
        if isinstance(live, Dead):
            raise InvalidGrant("The subject token is unknown, expired, revoked or spent.", detail=live.why)
        exchange.judge(live.token, client, jkt=jkt)
        if live.user is None:
            raise InvalidGrant(detail="the person is gone")
        return live.token, live.user

    async def _connection(self, form: Form, client: Client) -> Connection:
        name = form.get("connection")
        audiences = form.all("audience")
        if name is None and len(audiences) == 1 and self.type == RFC_8693:
            name = audiences[0]
        if name is None:
            raise InvalidRequest("The parameter 'connection' is missing.")
        found = await self._machines.store.connections.get(name)
        if found is None or name not in client.connections or "connected_accounts" not in found.use:
            raise InvalidTarget(f"The connection {name!r} is unknown or not allowed for this client.")
        if found.kind in KEYED:
            raise InvalidTarget(f"The connection {name!r} holds keys, which are never lent. Call through the proxy.")
        return found

    async def _with_link(
        self, error: ProtocolError, user: User, client: Client, connection: Connection, wanted: tuple[str, ...]
    ) -> ProtocolError:
        """The error with the way out of it: a link for this person, to this connection."""
        error.members |= await self._link(user, client, connection, wanted)
        return error

    async def _link(
        self, user: User, client: Client, connection: Connection, wanted: tuple[str, ...]
    ) -> dict[str, str]:
        link = await connect.link(self._machines, user, connection.name, client, wanted)
        return {"connect_uri": link} if link else {}


def _answer(use: Use, issued_type: str, now: int) -> dict[str, object]:
    """RFC 8693 section 2.2.1. No refresh token, no ID token: what is borrowed goes back by itself."""
    return {
        "access_token": use.access_token,
        "issued_token_type": issued_type,
        "token_type": "Bearer",
        "expires_in": UNKNOWN_LIFETIME if use.expires_at is None else max(0, use.expires_at - now),
        "scope": " ".join(use.scopes),
    }
