"""Clients. Their state moves by its own statement, so that writing the rest never undoes a suspension."""

from __future__ import annotations

from collections.abc import Sequence

from remit_server.records import Client
from remit_server.storage.contract import Engine, Step
from remit_server.storage.groups.rows import Directory, Rows
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Select, Update


class Clients(Directory[Client]):
    _CHANGE = Update(t.CLIENTS, set="body = :body", where="clients.id = :id")
    _MOVE = Update(
        t.CLIENTS, set="state = :state", where="clients.id = :id AND clients.state = :was", types={"was": "text"}
    )

    _WITHOUT_USE = Select(
        t.CLIENTS,
        where="clients.id > :after AND NOT EXISTS (SELECT 1 FROM grants WHERE grants.client_id = clients.id) "
        "AND NOT EXISTS (SELECT 1 FROM tokens WHERE tokens.client_id = clients.id)",
        tail="ORDER BY clients.id LIMIT 200",
        types={"after": "text"},
    )

    def __init__(self, engine: Engine) -> None:
        self._clients = Rows(t.CLIENTS, Client, changing=("state",))
        super().__init__(engine, self._clients)

    async def without_use(self, after: str) -> Sequence[Client]:
        """Clients that hold no token and that nobody has an agreement with, by id, at most 200 beyond `after`."""
        return [self._clients.record(row) for row in await self._engine.many(self._WITHOUT_USE, {"after": after})]

    def change(self, client: Client) -> Step:
        """Write everything but the state; loses when the client is gone."""
        body = self._clients.params(client)["body"]
        return Step(self._CHANGE, {"id": client.id, "body": body}, wake=self.wake(client.id))

    def move(self, client_id: str, *, was: str, state: str) -> Step:
        """Change the state; loses when it is another than it was."""
        return Step(self._MOVE, {"id": client_id, "was": was, "state": state}, wake=self.wake(client_id))
