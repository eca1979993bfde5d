"""Of a million tuples nobody reads more than are asked for: every look-up goes by an index, on both databases, whatever they
believe of their tables."""

from __future__ import annotations

import re
import sqlite3
from typing import Final

import pytest
from tests.fixtures import relations as fixture
from tests.ledger import proves
from tests.storage.conftest import NOW, Open

from remit_server.storage.groups.relation_facts import Facts
from remit_server.storage.groups.relation_models import RelationModels
from remit_server.storage.groups.relation_writes import Writes
from remit_server.storage.groups.relations import _LEFTOVERS, Relations, RelationStore
from remit_server.storage.sql.dialect import (
    postgresql_change,
    postgresql_point,
    postgresql_select,
    sqlite_change,
    sqlite_each,
    sqlite_select,
)
from remit_server.storage.sql.postgresql.link import connect
from remit_server.storage.sql.statements import Change, Select

OBJECT, SUBJECT, CHANGES = "tuples by key", "tuples by subject", "changes"
EACH: Final[dict[Select, str]] = {
    Facts._HOLDERS: OBJECT,
    Facts._HELD: SUBJECT,
    Facts._FEW: SUBJECT,
    Writes._THERE: OBJECT,
}
LISTED: Final[dict[Select, str]] = {
    Relations._READ: OBJECT, Relations._READ_OBJECT: OBJECT, Relations._READ_RELATION: OBJECT, Relations._READ_TUPLE: OBJECT,
    Relations._READ_SUBJECT: SUBJECT, Relations._READ_SUBJECT_RELATION: SUBJECT,
    Relations._CHANGES: CHANGES, Relations._CHANGES_OF_TYPE: "changes by type", Relations._FIRST_SINCE: "changes by time",
    Relations._STORE: "stores by id", Relations._STORES: "stores by id", Relations._STORES_NAMED: "stores by name",
    Relations._DEFINING: "types", Relations._REMOVED: "stores removed", RelationModels._PAGE: "models",
    **dict(zip((left for left, _ in _LEFTOVERS), (OBJECT, "held", "all changes", "models", "assertions"), strict=True)),
}  # fmt: skip
CHANGED: Final[dict[Change, str]] = {
    Writes._NEXT: "stores by id", Writes._REMOVE: OBJECT, Writes._RELEASE: SUBJECT, RelationModels._NEWEST: "stores by id",
    RelationModels._UNDEFINE: "types by store",
}  # fmt: skip
SQLITE: Final = {
    OBJECT: r"relation_tuples USING PRIMARY KEY \(store=\?",
    SUBJECT: r"relation_held USING PRIMARY KEY \(store=\? AND subject=\? AND \(?relation",
    CHANGES: r"relation_changes USING PRIMARY KEY \(store=\?",
    "held": r"relation_held USING PRIMARY KEY \(store=\?",
    "all changes": r"relation_changes USING PRIMARY KEY \(store=\?",
    "changes by type": r"one USING COVERING INDEX relation_changes_by_type \(store=\? AND \(?type",
    "changes by time": r"USING COVERING INDEX relation_changes_by_time \(store=\? AND created_at>",
    "stores by id": r"relation_stores USING INDEX sqlite_autoindex_relation_stores_1 \(id",
    "stores by name": "relation_stores USING INDEX",
    "stores removed": "INDEX relation_stores_removed",
    "types": r"relation_types USING PRIMARY KEY \(type=\? AND store_id<",
    "types by store": r"INDEX relation_types_by_store \(store_id=\?",
    "models": r"INDEX sqlite_autoindex_relation_models_1 \(store_id=\?",
    "assertions": r"INDEX sqlite_autoindex_relation_assertions_1 \(store_id=\?",
}
POSTGRESQL: Final = {
    OBJECT: "relation_tuples_pkey", SUBJECT: "relation_held_pkey", CHANGES: "relation_changes_pkey",
    "changes by type": "relation_changes_by_type", "changes by time": "relation_changes_by_time",
}  # fmt: skip
"""Which index, where it makes a difference: of tables that are small it takes any while it believes that they are empty."""
STORE = "01JSTORE0000000000000000S1"


@proves("storage.lookups-by-index")
@pytest.mark.parametrize("filled", [0, 3000])
@pytest.mark.parametrize("analyzed", [False, True])
async def test_no_tuple_is_looked_for_among_all(open_: Open, database_url: str, *, filled: int, analyzed: bool) -> None:
    store = await open_()
    await store.commit(store.relations.add_store(RelationStore(id=STORE, name="shop", created_at=NOW)))
    if filled:
        texts = [f"doc:{n // 3} viewer user:{n % 50}" if n % 30 else f"doc:{n} viewer user:*" for n in range(filled)]
        await fixture.write(store, STORE, dict.fromkeys(texts))
    look = _sqlite if store.engine.dialect == "sqlite" else _postgresql
    plans = await look(database_url, analyzed)
    assert {sql: plan for sql, (plan, index) in plans.items() if not re.search(index, plan)} == {}
    scanned = r"SCAN relation_|SCAN (far|one|second|whole)\b|Seq Scan on relation_"
    assert {sql: plan for sql, (plan, _) in plans.items() if re.search(scanned, plan)} == {}


async def _sqlite(url: str, analyzed: bool) -> dict[str, tuple[str, str]]:
    link = sqlite3.connect(url.removeprefix("sqlite:"))
    if analyzed:
        link.execute("ANALYZE")
    asked = {
        **{sqlite_each(select): ({"asked": "[]"}, index) for select, index in EACH.items()},
        **{sqlite_select(select): (dict.fromkeys(select.names, 1), index) for select, index in LISTED.items()},
        **{sqlite_change(change): (dict.fromkeys(change.names, 1), index) for change, index in CHANGED.items()},
    }
    plans = {}
    for sql, (values, index) in asked.items():
        rows = link.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        plans[sql] = "\n".join(row[3] for row in rows), SQLITE[index]
    link.close()
    return plans


async def _postgresql(url: str, analyzed: bool) -> dict[str, tuple[str, str]]:
    link = await connect(url)
    if analyzed:
        await link.execute("ANALYZE")
    asked = {
        **{postgresql_point(select): ("'[]'", index) for select, index in EACH.items()},
        **{
            postgresql_select(select): (", ".join("'1'" for _ in select.names), index)
            for select, index in LISTED.items()
        },
        **{postgresql_change(change): ("'[]'", index) for change, index in CHANGED.items()},
    }
    plans = {}
    for sql, (given, index) in asked.items():
        await link.execute(f"PREPARE looked AS {sql}")
        values = f"({given})" if given else ""
        plan = await link.fetch(f"EXPLAIN EXECUTE looked{values}")
        plans[sql] = "\n".join(row[0] for row in plan), POSTGRESQL.get(index, "Index")
        await link.execute("DEALLOCATE looked")
    await link.close()
    return plans
