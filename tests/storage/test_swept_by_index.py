"""What comes round by itself finds its rows by an index, on both databases: a sweep does not read a table of a million tokens."""

from __future__ import annotations

import asyncio
import re
import sqlite3

import pytest
from tests.ledger import proves
from tests.storage.conftest import NOW, Open
from tests.storage.samples import account, client, grant, token

from remit_server.storage.groups.agreements import Grants
from remit_server.storage.groups.approvals import Approvals
from remit_server.storage.groups.clients import Clients
from remit_server.storage.groups.connections import ConnectAttempts, ConnectedAccounts
from remit_server.storage.groups.proxied_calls import ProxiedCalls
from remit_server.storage.sql.dialect import postgresql_select, sqlite_select
from remit_server.storage.sql.postgresql.link import connect
from remit_server.storage.sql.statements import Select
from remit_server.storage.sweep import AT_ONCE, KEEP

SOUGHT = (
    Grants._WITHOUT_TOKENS, Clients._WITHOUT_USE, ConnectedAccounts._DUE, ConnectedAccounts._PARTING,
    ConnectAttempts._ABANDONED, ProxiedCalls._BEFORE, Approvals._OVERDUE,
    *(
        Select(
            keep.table, where=f"{keep.column} <= :until", columns=keep.table.key[0],
            tail=f"ORDER BY {keep.column} LIMIT {AT_ONCE}",
        )
        for keep in KEEP
    ),
)  # fmt: skip
ROWS = 3000


@proves("storage.lookups-by-index")
@pytest.mark.parametrize("filled", [0, ROWS])
async def test_no_sweep_reads_a_whole_table(open_: Open, database_url: str, filled: int) -> None:
    store = await open_()
    steps = [store.clients.add(client(f"c_{n}")) for n in range(50)]
    for n in range(filled):
        old = grant(client_id=f"c_{n % 40}", created_at=NOW - n)
        steps += [
            store.grants.add(old),
            store.tokens.add(token(grant_id=old.id, client_id=old.client_id)),
            store.connected_accounts.add(account(user_id=f"u_{n}", access_expires_at=NOW + n)),
        ]
    for start in range(0, len(steps), 500):
        await asyncio.gather(*(store.commit(step) for step in steps[start : start + 500]))
    assert len(await store.clients.without_use("")) == (10 if filled else 50)
    assert await store.grants.without_tokens(NOW) == []
    plans = await (_sqlite(database_url) if store.engine.dialect == "sqlite" else _postgresql(database_url))
    assert {what: plan for what, plan in plans.items() if _whole(plan)} == {}


def _whole(plan: str) -> list[str]:
    """The tables that are read from end to end, and not in the order of an index that a LIMIT cuts short."""
    scans = re.findall(r"SCAN \w+(?! USING)|Seq Scan on \w+|NOT \(.*SubPlan", plan)
    return [scan for scan in scans if not scan.startswith("SCAN") or f"{scan} USING" not in plan]


async def _sqlite(url: str) -> dict[str, str]:
    with sqlite3.connect(url.removeprefix("sqlite:")) as link:
        plans = {}
        for select in SOUGHT:
            rows = link.execute(f"EXPLAIN QUERY PLAN {sqlite_select(select)}", dict.fromkeys(select.names, 1))
            plans[_name(select)] = "\n".join(row[3] for row in rows)
    link.close()
    return plans


async def _postgresql(url: str) -> dict[str, str]:
    """Of a small table everything is read sooner than an index: what counts is whether there is another way."""
    link = await connect(url)
    await link.execute("ANALYZE")
    await link.execute("SET enable_seqscan = off")
    plans = {}
    for select in SOUGHT:
        await link.execute(f"PREPARE sought AS {postgresql_select(select)}")
        given = ", ".join("'1'" for _ in select.names)
        plans[_name(select)] = "\n".join(row[0] for row in await link.fetch(f"EXPLAIN EXECUTE sought({given})"))
        await link.execute("DEALLOCATE sought")
    await link.close()
    return plans


def _name(select: Select) -> str:
    return f"{select.table.name}: {select.where}"
