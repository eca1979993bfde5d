"""What reasoning asks of stored tuples: many needs at once, and one statement for each kind of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from remit_server.rules.relations.facts import FEW, Fact, Few, Found, Held, Holders, Need
from remit_server.rules.relations.tuples import kind_of
from remit_server.storage.contract import Engine, Params
from remit_server.storage.groups.relation_writes import number_of
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Select

LAST: Final = chr(0x10FFFF)
"""Sorts after every text."""
_PARTS: Final = "relation_tuples.subject, relation_tuples.condition, relation_tuples.context"


class Facts:
    _HOLDERS = Select(
        t.RELATION_TUPLES,
        columns=_PARTS,
        where="relation_tuples.store = :store AND relation_tuples.object = :object "
        "AND relation_tuples.relation = :relation AND relation_tuples.kind = :kind "
        "AND relation_tuples.subject BETWEEN :first AND :last",
        types={"first": "text", "last": "text"},
    )
    # Few tuples have a context: the others are not looked up.
    _HELD = Select(
        t.RELATION_HELD,
        columns="relation_held.object, relation_held.condition, CASE relation_held.condition WHEN '' THEN '' ELSE "
        "(SELECT whole.context FROM relation_tuples AS whole WHERE whole.store = :store AND whole.object = relation_held.object "
        "AND whole.relation = :relation AND whole.kind = :kind AND whole.subject = :subject) END AS context",
        where="relation_held.store = :store AND relation_held.subject = :subject "
        "AND relation_held.relation = :relation AND relation_held.object BETWEEN :first AND :last",
        types={"kind": "text", "first": "text", "last": "text"},
    )
    # Up to the one after the most, where there are as many without a condition.
    _FEW = Select(
        t.RELATION_HELD,
        columns="relation_held.object",
        where="relation_held.store = :store AND relation_held.subject = :subject "  # noqa: S608 - FEW is a number
        "AND relation_held.relation = :relation AND relation_held.condition = '' "
        "AND relation_held.object BETWEEN :first AND coalesce((SELECT far.object FROM relation_held AS far "
        "WHERE far.store = :store AND far.subject = :subject AND far.relation = :relation "
        f"AND far.condition = '' AND far.object BETWEEN :first AND :last ORDER BY far.object LIMIT 1 OFFSET {FEW}), :last)",
        types={"first": "text", "last": "text"},
    )

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def facts(self, store_id: str, needs: Collection[Need]) -> Found:
        """What stands in storage for each need: one statement for all `Holders`, one for all `Held`."""
        found: dict[Need, Sequence[Fact] | None] = {}
        store = number_of(store_id)
        if holders := [need for need in needs if isinstance(need, Holders)]:
            asked: list[Params] = [
                {"store": store, "object": object_, "relation": relation, "kind": kind,
                 "first": subject, "last": subject or LAST}
                for object_, relation, kind, subject in holders
            ]  # fmt: skip
            for one, rows in zip(holders, await self._engine.each(self._HOLDERS, asked), strict=True):
                found[one] = [(row["subject"], row["condition"], row["context"]) for row in rows]
        if held := [need for need in needs if isinstance(need, Held)]:
            asked = [
                {
                    "store": store,
                    "subject": subject,
                    "relation": relation,
                    "kind": kind_of(subject),
                    **within(type_),
                }
                for subject, relation, type_ in held
            ]
            for need, rows in zip(held, await self._engine.each(self._HELD, asked), strict=True):
                found[need] = [(row["object"], row["condition"], row["context"]) for row in rows]
        if few := [need for need in needs if isinstance(need, Few)]:
            asked = [
                {"store": store, "subject": subject, "relation": relation, **within(type_)}
                for subject, relation, type_, _ in few
            ]
            for want, rows in zip(few, await self._engine.each(self._FEW, asked), strict=True):
                found[want] = [(row["object"], "", "") for row in rows] if len(rows) <= FEW else None
        return found


def within(type_: str) -> Params:
    """Objects of a type: `;` is the character after the colon."""
    return {"first": f"{type_}:", "last": f"{type_};"}
