"""What a manifest says of needs and of a relations server: read, refused with its place, applied."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest
from tests.management.test_manifest import given, refused

from remit_server.config import Settings
from remit_server.management.manifest import needs
from remit_server.management.manifest.check import settings_of
from remit_server.records import Organisation
from remit_server.records.organisation import Need

APIS = """apis:
  - {identifier: https://tools.example, name: Tools, scopes: {send: Send, "mail:read": Read}}
"""
PAGE = (Path(__file__).parents[2] / "docs" / "delegations.md").read_text()
STORE = "01JACCESS00000000000000001"


def written(text: str) -> str:
    return f"{APIS}relations:\n  needs:\n    - {text}\n"


def test_each_scope_by_its_name(tmp_path: Path) -> None:
    manifest = given(tmp_path, written('{relation: can_call, object: tool:x, api: https://tools.example, scope: "*"}'))
    one = Need(relation="can_call", object="tool:x", api="https://tools.example")
    assert tuple(needs.declared(manifest)) == (
        msgspec.structs.replace(one, scope="send"), msgspec.structs.replace(one, scope="mail:read")
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "{relation: can_use, object: 'connection:{connection}', connection: '*'}",
        "{relation: can_use, object: connection:google, connection: '*'}",
        "{relation: can_pay, object: 'account:{account}', details: trade_order}",
        "{relation: can_pay, object: 'account:eu-{debtor.accounts.id}', details: trade_order}",
        "{relation: can_call, object: 'tool:{scope}', api: https://tools.example, scope: send}",
        "{relation: can_call, object: tool:all, api: https://tools.example}",
    ],
)
def test_what_may_stand_there(tmp_path: Path, text: str) -> None:
    assert len(tuple(needs.declared(given(tmp_path, written(text))))) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{relation: can_use, object: google, connection: '*'}", "`type:id`"),
        ("{relation: can_use, object: '{connection}:1', connection: '*'}", "`type:id`"),
        ("{relation: can_use, object: 'a:{b}{c}', details: trade_order}", "`type:id`"),
        ("{relation: can_use, object: 'a:{}', details: trade_order}", "`type:id`"),
        ("{relation: can use, object: a:1, connection: '*'}", "not a name"),
        ("{relation: can_use, object: a:1}", "give one of"),
        ("{relation: can_use, object: a:1, connection: '*', details: trade_order}", "give one of"),
        ("{relation: can_use, object: a:1, connection: nowhere}", "there is no connection 'nowhere'"),
        ("{relation: can_use, object: a:1, details: trade_ordr}", "did you mean 'trade_order'?"),
        ("{relation: can_use, object: a:1, api: https://tools.exampel}", "did you mean 'https://tools.example'?"),
        ("{relation: can_use, object: a:1, api: https://tools.example, scope: write}", "not a scope"),
        ("{relation: can_use, object: a:1, connection: '*', scope: send}", "not a scope"),
        ("{relation: can_use, object: 'a:{scope}', connection: '*'}", "{scope} stands for nothing"),
        ("{relation: can_use, object: 'a:{scope}', api: https://tools.example}", "{scope} stands for nothing"),
        (
            "{relation: can_use, object: 'a:{scope}', api: https://tools.example, scope: '*'}",
            "'a:mail:read' is not written",
        ),
        ("{relation: can_use, object: 'a:*', connection: '*'}", "is not written"),
    ],
)
def test_what_may_not(tmp_path: Path, text: str, words: str) -> None:
    said = refused(tmp_path, written(text))
    assert said.startswith("remit.yaml:6:")
    assert words in said


def test_a_relations_server(tmp_path: Path) -> None:
    text = (
        f"settings:\n  relations_server: {{url: https://fga.example, store: {STORE}, token: {{env: ADA_PASSWORD}}}}\n"
    )
    settings = settings_of(given(tmp_path, text))
    server = msgspec.convert({"issuer": "https://remit.example", **settings}, Settings).relations_server
    assert server
    assert (server.url, server.store, server.token) == (
        "https://fga.example",
        STORE,
        "ada_password-that-is-long-enough",
    )
    # As it comes back from the database, where it is kept sealed, it is the same: nothing changes when it is applied twice.
    kept = msgspec.json.decode(msgspec.json.encode(Organisation(settings=settings)), type=Organisation)
    assert kept.settings == settings


@pytest.mark.parametrize(
    "server",
    ["{url: https://fga.example}", f"{{url: fga.example, store: {STORE}}}", "{url: https://fga.example, store: documents}",
     f"{{url: https://fga.example, store: {STORE}, client_id: us}}", f"{{url: https://fga.example, store: {STORE}, tokn: x}}"],
)  # fmt: skip
def test_half_a_relations_server(tmp_path: Path, server: str) -> None:
    assert "remit.yaml:" in refused(tmp_path, f"settings:\n  relations_server: {server}\n")


def test_the_page_shows_what_works(tmp_path: Path) -> None:
    """docs/delegations.md: its manifest is read, its model takes the tuples that its table shows."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    declared, server = (text for kind, text in blocks if kind == "yaml")
    [model] = (text for kind, text in blocks if kind == "fga")
    tuples = [parse(cell) for cell in re.findall(r"`(\w+:\S+ \w+ \S+:\S+)`", PAGE.partition("| who may |")[2])]
    assert len(tuples) == 6
    (tmp_path / "delegations.fga").write_text(model)
    (tmp_path / "delegations.yaml").write_text(json.dumps(tuples))
    more = APIS.replace("send: Send", "mail.send: Send") + server.replace("FGA_TOKEN", "ADA_PASSWORD")
    manifest = given(tmp_path, more + declared)
    assert [need.connection or need.api or need.details for need in needs.declared(manifest)] == [
        "*", "https://tools.example", "trade_order"
    ]  # fmt: skip


def parse(cell: str) -> dict[str, str]:
    return dict(zip(("object", "relation", "user"), cell.replace("\\|", "|").split(), strict=True))
