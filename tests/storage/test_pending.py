"""A hundred thousand open requests slow nobody down: every look-up of one of them goes by an index, on both databases."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
from tests.ledger import proves
from tests.storage.conftest import NOW, Open
from tests.storage.samples import approval

from remit_server.storage.groups.approvals import Approvals
from remit_server.storage.sql.dialect import (
    postgresql_change,
    postgresql_point,
    postgresql_select,
    sqlite_change,
    sqlite_select,
)
from remit_server.storage.sql.postgresql.link import connect
from remit_server.storage.sql.statements import Select

OPEN = 3000
LISTED = (Approvals._OF_USER, Approvals._OVERDUE, Approvals._LAST_ASKED, Approvals._APPROVED, Approvals._TO_TELL)
POINTS = (Approvals._GET, Approvals._BY_HANDLE, Approvals._BY_SAME, Approvals._BY_USER_CODE, Approvals._BY_GRANT)
CHANGES = (
    Approvals._CLAIM, Approvals._DECIDE, Approvals._EXPIRE, Approvals._POLL, Approvals._TAKE, Approvals._TELL, Approvals._PACK,
    Approvals._TOLD, Approvals._UNPACK, Approvals._QUESTION, Approvals._REPLY, Approvals._SPEND, Approvals._CLOSE_OF,
)  # fmt: skip


@proves("storage.lookups-by-index")
@pytest.mark.parametrize("filled", [0, OPEN])
async def test_no_request_is_looked_for_among_all(open_: Open, database_url: str, filled: int) -> None:
    """A plan that was made while the table was empty stays."""
    store = await open_()
    rows = [
        approval(user_id=f"u{n % 300}", client_id=f"c{n % 7}", same=f"s{n}", created_at=NOW + n) for n in range(filled)
    ]
    await asyncio.gather(*(store.commit(store.approvals.add(row)) for row in rows))
    plans = await (_sqlite(database_url) if store.engine.dialect == "sqlite" else _postgresql(database_url))
    scans = ("SCAN approvals", "Seq Scan on approvals")
    assert {sql: plan for sql, plan in plans.items() if any(scan in plan for scan in scans)} == {}
    changed = [plan for sql, plan in plans.items() if sql.startswith("UPDATE")]
    assert len(changed) == len(CHANGES)
    by_id = ("approvals_pkey on approvals", "(id=?)")  # one request; not all that are open, nor all that a person has
    others = [plan for plan in changed if not any(words in plan for words in by_id)]
    assert len(others) == 1, "all that a client asked a person"
    assert "approvals_by_asker" in others[0]


async def _sqlite(url: str) -> dict[str, str]:
    with sqlite3.connect(url.removeprefix("sqlite:")) as link:
        plans = {}
        for statement in (*LISTED, *POINTS, *CHANGES):
            sql = sqlite_select(statement) if isinstance(statement, Select) else sqlite_change(statement)
            values = dict.fromkeys(statement.names, 1)
            plans[sql] = str([row[3] for row in link.execute(f"EXPLAIN QUERY PLAN {sql}", values)])
    link.close()
    return plans


async def _postgresql(url: str) -> dict[str, str]:
    link = await connect(url)
    await link.execute("ANALYZE approvals")
    plans = {}
    for statement in (*LISTED, *POINTS, *CHANGES):
        if isinstance(statement, Select) and statement in LISTED:
            sql, given = postgresql_select(statement), ", ".join("'1'" for _ in statement.names)
        elif isinstance(statement, Select):
            sql, given = postgresql_point(statement), "'[]'"
        else:
            sql, given = postgresql_change(statement), "'[]'"
        await link.execute(f"PREPARE looked AS {sql}")
        plans[sql] = "\n".join(row[0] for row in await link.fetch(f"EXPLAIN EXECUTE looked({given})"))
        await link.execute("DEALLOCATE looked")
    await link.close()
    return plans
