"""Detail types of one's own: the example of docs/detail-types.md, inline and as a file, and what apply says about mistakes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import yaml
from tests.ledger import proves
from tests.management.test_manifest import given, refused

from remit_server.catalog.load import detail_type, detail_types
from remit_server.management.manifest.wanted import _api, _detail_type
from remit_server.rules.details import judge
from remit_server.rules.editing import judge as edit
from remit_server.rules.reading import read
from remit_server.rules.risk import Known
from remit_server.rules.risk import judge as risk

PAGE = Path(__file__).parents[2] / "docs" / "detail-types.md"
REMIT, DOCUMENT, UNDESCRIBED = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
INLINE = "details:\n" + indent(DOCUMENT, "    ").replace("    type", "  - type", 1)


def test_the_example_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "room_booking.yaml").write_text(DOCUMENT)
    manifest = given(tmp_path, REMIT)
    (api,), (kind,) = map(_api, manifest.apis), map(_detail_type, manifest.details)
    (example,) = kind.document["examples"]
    (detail,) = judge(json.dumps([example["details"]]), {kind.type: kind}, api.authorization_details)
    assert read(detail, kind).sentence == "book Ada 2.04 for 12 people"
    types, asked = {kind.type: kind}, (detail,)
    assert risk(asked, types, Known(domains=frozenset({"example.com"}))).tier == "low"
    assert risk(asked * 3, types, Known(domains=frozenset({"example.com"}))).why == ("more than 500",)
    assert risk(asked, types, Known()).why == ("people of other companies are invited",)
    assert edit(asked, ({**detail, "seats": 8},), types).changes == (
        "Seats: 12, each 14.50 EUR → 8, each 14.50 EUR", "At most: 174.00 EUR → 116.00 EUR",
    )  # fmt: skip


def test_inline_is_the_same(tmp_path: Path) -> None:
    (kind,) = map(_detail_type, given(tmp_path, INLINE).details)
    assert kind == detail_type(yaml.safe_load(DOCUMENT), where="here")


@pytest.mark.parametrize(
    ("was", "now", "message"),
    [
        ("type: room_booking\n", "type: payment\n", "payment"),
        ("maxLength: 500", "maxLenght: 500", "note uses maxLenght, which is not read here"),
        ("'{guests}'", "'{guests:number}'", "guests is not shown"),
        ("'book {room} for", "'book {note} for", "{note} is free text"),
        ("12 people", "a dozen", "differs in book Ada 2.04 for 12 people"),
        ("until: '2026-12-01T09:00:00Z'", "until: '2026-12-01T12:00:00Z'", "it ends before it begins is accepted"),
        ("effect: One booking, once\n", "", "'effect' is a required property"),
    ],
)
@proves("details.nothing-unseen")
def test_a_mistake_is_named(tmp_path: Path, was: str, now: str, message: str) -> None:
    assert was in INLINE
    assert message in refused(tmp_path, INLINE.replace(was, now, 1))


@proves("details.undescribed")
def test_types_without_a_document_are_named_one_by_one(tmp_path: Path) -> None:
    (api,) = map(_api, given(tmp_path, UNDESCRIBED).apis)
    assert api.undescribed_details == ("urn:example:legacy:transfer",)
    assert not set(api.undescribed_details) & set(api.authorization_details) & set(detail_types())
    described = refused(tmp_path, UNDESCRIBED.replace("'urn:example:legacy:transfer'", "payment"))
    assert "list it in authorization_details" in described
    assert "no name of a type" in refused(tmp_path, UNDESCRIBED.replace("urn:example:legacy:transfer", "*"))


@pytest.mark.parametrize("domain", ["example", "ada@example.com", "*.example.com", "example.com."])
def test_a_domain_is_one(tmp_path: Path, domain: str) -> None:
    wanted: Any = given(tmp_path, "organisation: {domains: [Example.com]}\n").organisation
    assert wanted.domains == ("Example.com",)
    assert "is not the domain" in refused(tmp_path, f"organisation: {{domains: ['{domain}']}}\n")
