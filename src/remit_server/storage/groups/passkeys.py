"""Passkeys: several a person, sealed, found by the hash of the credential id."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from remit_server.records import Passkey
from remit_server.storage.barrier import Barrier
from remit_server.storage.contract import Engine, Row, Step
from remit_server.storage.groups.rows import Rows
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Select, Update


class Passkeys:
    _GET = Select(t.PASSKEYS, where="passkeys.id = :id")
    _OF_USER = Select(t.PASSKEYS, where="user_id = :user_id", tail="ORDER BY created_at, id")
    _ADD = Insert(t.PASSKEYS)
    # WebAuthn Level 3 section 7.2: a count that does not grow may be a copy's, unless the authenticator does not count at all.
    _USE = Update(
        t.PASSKEYS,
        set="sign_count = :count, backed_up = :backed_up, used_at = :used_at",
        where="passkeys.id = :id AND (sign_count < :count OR sign_count = 0 AND :count = 0)",
    )
    _RENAME = Update(t.PASSKEYS, set="name = :name", where="passkeys.id = :id AND passkeys.user_id = :user_id")
    _REMOVE = Delete(t.PASSKEYS, where="passkeys.id = :id AND passkeys.user_id = :user_id")
    _FORGET = Delete(t.PASSKEYS, where="passkeys.user_id = :user_id")

    def __init__(self, engine: Engine, barrier: Barrier) -> None:
        self._engine = engine
        self._rows = Rows(
            t.PASSKEYS,
            Passkey,
            changing=("name", "sign_count", "backed_up", "used_at"),
            own={"backed_up": lambda passkey: int(passkey.backed_up)},
            barrier=barrier,
        )

    async def get(self, id_: str) -> Passkey | None:
        row = await self._engine.one(self._GET, {"id": id_})
        return None if row is None else self._record(row)

    async def of_user(self, user_id: str) -> Sequence[Passkey]:
        """All of a person's, oldest first."""
        return [self._record(row) for row in await self._engine.many(self._OF_USER, {"user_id": user_id})]

    def _record(self, row: Row) -> Passkey:
        passkey = self._rows.record(row)
        return msgspec.structs.replace(passkey, backed_up=bool(passkey.backed_up))  # a column holds a number

    def add(self, passkey: Passkey) -> Step:
        """Loses when somebody, be it the same person, has registered this credential."""
        return Step(self._ADD, self._rows.params(passkey))

    def use(self, id_: str, count: int, *, backed_up: bool, now: int) -> Step:
        """Note a signature; loses when a newer one was seen, or when the passkey is gone."""
        return Step(self._USE, {"id": id_, "count": count, "backed_up": int(backed_up), "used_at": now})

    def rename(self, id_: str, user_id: str, name: str) -> Step:
        """Loses when this person has no such passkey."""
        return Step(self._RENAME, {"id": id_, "user_id": user_id, "name": name})

    def remove(self, id_: str, user_id: str) -> Step:
        """Loses when this person has no such passkey."""
        return Step(self._REMOVE, {"id": id_, "user_id": user_id})

    def forget(self, user_id: str) -> Step:
        """Remove all of a person's."""
        return Step(self._FORGET, {"user_id": user_id}, may_miss=True)
