"""Whoever changes a row finds it by its key. PostgreSQL plans a statement once, mostly while its table is empty, and keeps that
plan until it next counts the table's rows: one that goes through all of them would go through a hundred thousand, later."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from typing import Any

from tests.ledger import proves
from tests.storage.conftest import MASTER, NOW

from remit_server.storage import groups
from remit_server.storage.open import open_store
from remit_server.storage.sql.dialect import postgresql_change
from remit_server.storage.sql.postgresql.link import connect
from remit_server.storage.sql.statements import Delete, Update


def changes() -> Iterator[tuple[str, Update | Delete]]:
    for module in pkgutil.iter_modules(groups.__path__, f"{groups.__name__}."):
        for group in vars(importlib.import_module(module.name)).values():
            if isinstance(group, type) and group.__module__ == module.name:
                for name, statement in vars(group).items():
                    if isinstance(statement, Update | Delete):
                        yield f"{group.__name__}.{name}", statement


def scans(node: dict[str, Any], table: str) -> Iterator[str]:
    """The conditions by which rows of a table are found; an empty one finds all of them."""
    if node.get("Relation Name") == table and node["Node Type"] != "ModifyTable":
        yield node.get("Index Cond") or node.get("Recheck Cond") or ""
    for child in node.get("Plans", ()):
        yield from scans(child, table)


@proves("storage.lookups-by-index")
async def test_a_change_that_was_planned_for_an_empty_table_goes_by_an_index(postgresql_url: str) -> None:
    await (await open_store(postgresql_url, MASTER, NOW)).close()
    link = await connect(postgresql_url)
    found = {}
    for name, statement in changes():
        await link.execute(f"PREPARE change AS {postgresql_change(statement)}")
        ((plan,),) = await link.fetch("EXPLAIN (FORMAT JSON) EXECUTE change('[]')")
        await link.execute("DEALLOCATE change")
        found[name] = list(scans(json.loads(plan)[0]["Plan"], statement.table.name))
    await link.close()
    assert len(found) > 70
    # A condition on a value of the request, `p_…`; one on the row alone, such as `sid IS NOT NULL`, is met by most of them.
    assert {name: by for name, by in found.items() if not by or not all("p_" in one for one in by)} == {}
