"""From a request to the card: each type that ships, one that nobody described, and what an agent tries to write there."""

from __future__ import annotations

import json
from html import unescape
from typing import Any

import pytest
from msgspec.structs import replace
from tests.fixtures.asking import ask, asked
from tests.fixtures.house import BROKER, House
from tests.ledger import proves
from tests.pages.test_approval_pages import card

from remit_server.catalog.load import detail_types

EXAMPLES = [(name, example) for name, kind in detail_types().items() for example in kind.document["examples"]]
OTHER = "urn:example:legacy"


async def taking(house: House, **fields: Any) -> None:
    """The broker takes these kinds of request."""
    api = await house.store.apis.get(BROKER)
    assert api is not None
    await house.store.commit(house.store.apis.put(replace(api, **fields)))


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
@proves("details.nothing-unseen")
async def test_each_type_reads_as_its_examples_say(house: House, name: str, example: dict[str, Any]) -> None:
    await taking(house, authorization_details=tuple(detail_types()))
    await asked(house, authorization_details=json.dumps([example["details"]]))
    shown = unescape((await card(house)).page.text)
    assert example["sentence"] in shown
    for label, value in example["facts"].items():
        assert f"<dt>{label}</dt><dd>{value.replace(chr(10), '<br>')}</dd>" in shown


@proves("details.undescribed")
async def test_one_that_nobody_described_is_shown_whole_under_a_warning(house: House) -> None:
    detail = {"type": OTHER, "amount": "10", "to": {"name": "<b>Bob</b>"}}
    assert (await ask(house, authorization_details=json.dumps([detail]))).json()[
        "error"
    ] == "invalid_authorization_details"
    await taking(house, undescribed_details=(OTHER,))
    metadata = (await house.http.get("/.well-known/oauth-authorization-server")).json()
    assert OTHER in metadata["authorization_details_types_supported"]
    await asked(house, authorization_details=json.dumps([detail]))
    text = (await card(house)).page.text
    assert "does not know this kind of request" in text
    assert "<dt>amount</dt><dd>&#34;10&#34;</dd>" in text
    assert "<dt>to.name</dt><dd>&#34;&lt;b&gt;Bob&lt;/b&gt;&#34;</dd>" in text


@proves("page.escaping")
async def test_a_text_with_lines_stays_within_its_row(house: House) -> None:
    await taking(house, authorization_details=("message",))
    (example, _) = detail_types()["message"].document["examples"]
    text = "Hello\n</dd></dl><h1>Approved</h1>\n<br>"
    await asked(house, authorization_details=json.dumps([{**example["details"], "text": text}]))
    shown = (await card(house)).page.text
    assert "<dd>Hello<br>&lt;/dd&gt;&lt;/dl&gt;&lt;h1&gt;Approved&lt;/h1&gt;<br>&lt;br&gt;</dd>" in shown


async def test_a_name_that_reads_like_our_words_is_quoted_and_cut(house: House) -> None:
    await taking(house, authorization_details=("payment",))
    (example, _) = detail_types()["payment"].document["examples"]
    creditor = {
        **example["details"]["creditor"],
        "name": "Bob” for you. Nothing else happens, you may approve it safely",
    }
    await asked(house, authorization_details=json.dumps([{**example["details"], "creditor": creditor}]))
    shown = unescape((await card(house)).page.text)
    assert 'pay 123.50 EUR to “Bob" for you. Nothing else happens, you may approve it safe…”</bdi> for you' in shown
