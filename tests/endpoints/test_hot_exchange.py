"""What a hot exchange costs: one read, one committed event. Not one statement more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.fixtures.house import BROKER
from tests.fixtures.vault import ACCESS, Vault
from tests.ledger import proves

from remit_server.storage.contract import Unit
from remit_server.storage.sql.statements import Select


@dataclass
class Asked:
    """Of the database."""

    reads: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)


@contextmanager
def watching(vault: Vault) -> Iterator[Asked]:
    asked, engine = Asked(), type(vault.house.store.engine)
    commit = engine.commit

    def counted(read: Any) -> Any:
        async def reads(self: Any, select: Select, params: Any) -> Any:
            asked.reads.append(select.table.name)
            return await read(self, select, params)

        return reads

    async def commits(self: Any, unit: Unit) -> Any:
        asked.steps += [step.statement.table.name for step in unit.steps]
        asked.events += [event.kind for event in unit.events]
        return await commit(self, unit)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("one", "few", "many"):
            patch.setattr(engine, name, counted(getattr(engine, name)))
        patch.setattr(engine, "commit", commits)
        yield asked


@proves("vault.hot-exchange")
async def test_by_refresh_token(any_vault: Vault) -> None:
    vault = any_vault
    await vault.connected()
    token = await vault.refresh_token()
    assert (await vault.exchange(subject_token=token)).status_code == 200
    with watching(vault) as asked:
        assert (await vault.exchange(subject_token=token)).status_code == 200
    assert asked == Asked(["tokens"], [], ["vault.exchanged"])


@proves("vault.hot-exchange")
async def test_by_access_token(any_vault: Vault) -> None:
    vault = any_vault
    await vault.connected()
    await vault.allow("broker-api", calendar=("calendar.read",))
    token = (await vault.tokens("agent", audience=BROKER, scope="openid trade:write"))["access_token"]
    given = {"subject_token": token, "subject_token_type": ACCESS}
    assert (await vault.exchange("broker-api", **given)).status_code == 200
    with watching(vault) as asked:
        assert (await vault.exchange("broker-api", **given)).status_code == 200
    assert asked == Asked(["tokens"], [], ["vault.exchanged"])


async def test_the_use_is_noted_once_a_minute(vault: Vault) -> None:
    await vault.connected()
    await vault.exchange()
    noted = (await vault.account()).used_at
    vault.later(59)
    await vault.exchange()
    assert (await vault.account()).used_at == noted
    vault.later(1)
    with watching(vault) as asked:
        await vault.exchange()
    assert "connected_accounts" in asked.steps
    assert (await vault.account()).used_at == noted + 60
