"""Signing keys and the server's own secrets, sealed; data keys, wrapped by the master."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from remit_server.records import SigningKey
from remit_server.storage.barrier import Barrier
from remit_server.storage.contract import Engine, Row, Step
from remit_server.storage.groups.rows import Rows
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Select, Update


class Secret(Struct, frozen=True):
    """A random value that the server keeps for itself."""

    name: str
    value: bytes


class SigningKeys:
    _ALL = Select(t.SIGNING_KEYS, tail="ORDER BY kid")
    _ADD = Insert(t.SIGNING_KEYS)
    _MOVE = Update(
        t.SIGNING_KEYS,
        set="state = :state, retired_at = :retired_at",
        where="signing_keys.kid = :kid AND signing_keys.state = :was",
        types={"was": "text"},
    )

    def __init__(self, engine: Engine, barrier: Barrier) -> None:
        self._engine = engine
        self._rows = Rows(t.SIGNING_KEYS, SigningKey, changing=("state", "retired_at"), barrier=barrier)

    async def all(self) -> Sequence[SigningKey]:
        return [self._rows.record(row) for row in await self._engine.many(self._ALL, {})]

    def add(self, key: SigningKey) -> Step:
        return Step(self._ADD, self._rows.params(key))

    def move(self, kid: str, *, was: str, state: str, retired_at: int | None = None) -> Step:
        """Change a key's state; loses when somebody else changed it first."""
        return Step(self._MOVE, {"kid": kid, "was": was, "state": state, "retired_at": retired_at})


class Secrets:
    _GET = Select(t.SECRETS, where="secrets.name = :name")
    _ADD = Insert(t.SECRETS)

    def __init__(self, engine: Engine, barrier: Barrier) -> None:
        self._engine = engine
        self._rows = Rows(t.SECRETS, Secret, barrier=barrier)

    async def get(self, name: str) -> bytes | None:
        secret = self._rows.maybe(await self._engine.one(self._GET, {"name": name}))
        return secret.value if secret else None

    def add(self, name: str, value: bytes) -> Step:
        """Loses when the secret exists already: it is never replaced."""
        return Step(self._ADD, self._rows.params(Secret(name, value)))


class DataKeys:
    """The barrier's own keys. They are wrapped before they come here, so this group has no barrier.

    While an installation moves from one master to another, a data key has a row under each.
    """

    _ALL = Select(t.DATA_KEYS, tail="ORDER BY created_at, id, wrapped_by")
    _ADD = Insert(t.DATA_KEYS)
    _DROP = Delete(t.DATA_KEYS, where="data_keys.id = :id AND data_keys.wrapped_by = :wrapped_by")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def all(self) -> Sequence[Row]:
        """Every wrapping, the newest data key's last."""
        return await self._engine.many(self._ALL, {})

    def add(self, key_id: str, wrapped: bytes, master: str, now: int) -> Step:
        """Loses when this master wraps this key already."""
        return Step(self._ADD, {"id": key_id, "wrapped_by": master, "created_at": now, "body": wrapped})

    def drop(self, key_id: str, master: str) -> Step:
        return Step(self._DROP, {"id": key_id, "wrapped_by": master})
