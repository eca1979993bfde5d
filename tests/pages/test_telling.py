"""What pages say of scopes."""

from __future__ import annotations

import pytest
from tests.fixtures.house import BROKER, House

from remit_server.records import Api
from remit_server.rules.scopes import ACCOUNT, IDENTITY
from remit_server.ui.telling import permissions, risk_of


@pytest.mark.parametrize(
    ("scope", "risk"),
    [
        ("portfolio:read", "reads"), ("calendar.readonly", "reads"), ("files_list", "reads"), ("trade:write", "changes"),
        ("calendar.read.write", "changes"), ("list:delete", "changes"), ("everything", "changes"), ("bread", "changes"),
        ("target.get", "changes"), ("answer:me:approvals", "changes"), ("delete:me:connected_accounts", "changes"),
        ("read:me:approvals", "reads"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_counts_as_a_change(scope: str, risk: str) -> None:
    assert risk_of(scope) == risk


async def test_each_scope_of_ours_has_words(house: House) -> None:
    told = await permissions(house.machines, (*IDENTITY, *ACCOUNT), (house.issuer + "me/",))
    assert all(each.words != each.scope for each in told)


async def test_a_name_that_two_apis_have_is_told_for_both(house: House) -> None:
    library = Api(identifier="https://library.example", name="Library", scopes={"trade:write": "Lend books"})
    await house.store.commit(house.store.apis.put(library))
    (told,) = await permissions(house.machines, ("trade:write",), (BROKER, library.identifier))
    assert (told.words, told.audience) == ("place orders and lend books", "Broker, Library")
