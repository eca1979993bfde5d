"""Borrow a connected account: token exchange (RFC 8693), by its own grant type and by the one that Auth0's SDKs send."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from remit_server.errors import InvalidGrant, InvalidRequest, InvalidTarget, NotConnected, UpstreamRefused
from remit_server.records import Client, Connection, Token, User
from remit_server.rules import exchange, scopes
from remit_server.rules.connection import Use
from remit_server.rules.providers import KEYED
from remit_server.runtime.ids import hashed
from remit_server.runtime.machines import Machines
from remit_server.runtime.ports import Act
from remit_server.runtime.verify import Dead
from remit_server.storage.contract import Lost
from remit_server.storage.groups.lendings import Asked
from remit_server.vault import own_token
from remit_server.vault.borrow import Borrower, borrowed, holds, link, mendable, still
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
        if self.type == RFC_8693 and form.all("audience") == (machines.settings.url("/vault/"),):
            return await own_token.issue(machines, asked, self.name)
        issued_type = exchange.issued_type(form.get("requested_token_type"), default=self._issues)
        wanted, name = scopes.parse(form.get("scope")), self._named(form)
        read, token, user = await self._subject(form, client, asked.jkt, name)
        connection = await self._connection(name, client)
        who = Borrower(client=client, user=user, connection=connection, scopes=wanted)
        found = await borrowed(machines, who, read, form.get("login_hint"))
        act = Act(
            kind="exchange", client=client, user=user, connection=name, scopes=found.share.scopes,
            actors=({"sub": client.id}, *token.actors) if token.client_id == client.id
            else ({"sub": client.id}, {"sub": token.client_id}, *token.actors),
        )  # fmt: skip
        permit = await permitted(machines, act)
        may = frozenset(client.connections[name])
        try:
            use = await self._refresher.usable(connection, found.account, found.share.scopes, may=may)
        except (UpstreamRefused, NotConnected) as error:
            raise await mendable(machines, who, error, account=found.account) from None
        if not holds(found.account, use):
            await still(machines, who, token.hash, found.account)
        if not set(use.scopes) <= set(act.scopes):  # the provider gives nothing narrower: judge what it gives
            permit = await permitted(machines, replace(act, scopes=use.scopes))

        about = {"shared": True} if found.account.user_id != user.id else {}
        if found.away:
            about["away"] = True
        event = machines.event(
            "vault.exchanged", user=user.id, client=client.id, subject=found.account.id, address=asked.request.address,
            chain=tuple(str(actor["sub"]) for actor in act.actors[1:]), connection=name,
            scope=" ".join(use.scopes), by=token.jti, why=list(permit.why), **about,
        )  # fmt: skip
        try:
            await machines.store.commit(*found.used(machines, client), events=(event,))
        except Lost as error:
            raise NotConnected("The user has disconnected this account, or taken it back from this agent.") from error
        answer = _answer(use, issued_type, machines.clock.now())
        if found.share.missing:
            answer |= await link(machines, who, found.account)
        return json_answer(answer)

    def _named(self, form: Form) -> str:
        if self.type == FEDERATED:
            return form.need("connection")
        return exchange.connection_name(form.get("connection"), form.all("audience"), form.all("resource"))

    async def _subject(self, form: Form, client: Client, jkt: str | None, connection: str) -> tuple[Asked, Token, User]:
        """The token that stands for the person, and the person. Nothing else in the request says who it is."""
        machines, kind = self._machines, exchange.subject_kind(form.need("subject_token_type"))
        read = await machines.store.lendings.asked(hashed(form.need("subject_token")), connection, client.id)
        live = await machines.verify.judged(read.held if read else None, kind=kind)
        if read is None or isinstance(live, Dead):
            why = live.why if isinstance(live, Dead) else None
            raise InvalidGrant("The subject token is unknown, expired, revoked or spent.", detail=why)
        exchange.judge(live.token, client, jkt=jkt)
        if live.user is None:
            raise InvalidGrant(detail="the person is gone")
        return read, live.token, live.user

    async def _connection(self, name: str, client: Client) -> Connection:
        found = await self._machines.store.connections.get(name)
        if found is None or name not in client.connections or "connected_accounts" not in found.use:
            raise InvalidTarget(f"The connection {name!r} is unknown or not allowed for this client.")
        if found.kind in KEYED:
            raise InvalidTarget(f"The connection {name!r} holds keys, which are never lent. Call through the proxy.")
        return found


def _answer(use: Use, issued_type: str, now: int) -> dict[str, object]:
    """RFC 8693 section 2.2.1. No refresh token, no ID token: what is borrowed goes back by itself."""
    return {
        "access_token": use.access_token,
        "issued_token_type": issued_type,
        "token_type": "Bearer",
        "expires_in": UNKNOWN_LIFETIME if use.expires_at is None else max(0, use.expires_at - now),
        "scope": " ".join(use.scopes),
    }
