"""Every kind of rich authorization request in the catalog keeps the rules of its format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from tests.ledger import proves

import remit_server
from remit_server.catalog.load import detail_type, detail_types
from remit_server.errors import ConfigurationError, InvalidDetails
from remit_server.records import DetailType
from remit_server.rules.detail_types import faults
from remit_server.rules.details import judge
from remit_server.rules.reading import read

CATALOG = Path(remit_server.__file__).parent / "catalog"
FORMAT = json.loads((CATALOG / "schema" / "details.json").read_text())
ENTRIES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((CATALOG / "details").glob("*.yaml"))}


@pytest.fixture(params=ENTRIES, ids=str)
def entry(request: pytest.FixtureRequest) -> dict[str, Any]:
    return ENTRIES[request.param]


def test_the_six_that_ship() -> None:
    assert set(detail_types()) == {"trade_order", "payment", "message", "file_sharing", "deletion", "code_deploy"}


def test_an_entry_has_the_format(entry: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(FORMAT)
    jsonschema.Draft202012Validator(FORMAT).validate(entry)


def test_an_entry_is_filed_under_its_type(entry: dict[str, Any]) -> None:
    assert ENTRIES[entry["type"]] is entry
    assert entry["schema"]["properties"]["type"] == {"const": entry["type"]}


@proves("details.nothing-unseen")
def test_an_entry_has_no_fault(entry: dict[str, Any]) -> None:
    assert list(faults(entry)) == []
    assert detail_type(entry, where="here") == detail_types()[entry["type"]]


def test_examples_are_accepted_and_read_as_they_say(entry: dict[str, Any]) -> None:
    for example in entry["examples"]:
        (details,) = judge(json.dumps([example["details"]]), detail_types(), [entry["type"]])
        reading = read(details, detail_types()[entry["type"]])
        assert reading.sentence == example["sentence"]
        assert {line.label: line.value for line in reading.lines} == example["facts"]


@pytest.mark.parametrize(
    "details",
    [
        pytest.param(case["details"], id=f"{name}: {case['why']}")
        for name, entry in ENTRIES.items()
        for case in entry.get("refused", ())
    ],
)
def test_refusals_are_refused(details: dict[str, Any]) -> None:
    with pytest.raises(InvalidDetails):
        judge(json.dumps([details]), detail_types(), [details["type"]])


def changed(entry: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with the member at `path` replaced, or taken away by None."""
    copy: dict[str, Any] = json.loads(json.dumps(entry))
    *above, last = path.split("/")
    at = copy
    for step in above:
        at = at[int(step)] if isinstance(at, list) else at[step]
    if value is None:
        del at[last]
    else:
        at[int(last) if isinstance(at, list) else last] = value
    return copy


_NOTE = {"type": "string", "maxLength": 80}
WRONG: list[tuple[str, str, Any, str]] = [
    # A member that nobody would see, that nobody compares, or that has no end.
    ("trade_order", "schema/properties/note", _NOTE, "enforce: note"),
    ("trade_order", "facts/1/value", "{quantity:number}", "facts: ticker is not shown"),
    ("trade_order", "facts/0/when", {"side": "buy"}, "facts: side is not shown"),
    ("message", "facts/3/value", "{subject}: {attachments}", "facts: subject is not shown"),
    ("deletion", "facts/0/value", "{items:number}", "facts: items is not shown"),
    ("trade_order", "schema/properties/account", {"type": "string"}, "schema: account needs maxLength"),
    ("message", "schema/properties/recipients/maxItems", None, "schema: recipients needs maxItems"),
    ("trade_order", "schema/properties/quantity/maximum", None, "schema: quantity needs minimum, maximum"),
    ("trade_order", "schema/properties/quantity/description", None, "schema: quantity needs minimum, maximum"),
    ("payment", "schema/properties/creditor/additionalProperties", None, "schema: creditor is not closed"),
    ("payment", "schema/properties/creditor/patternProperties", {"^x-": _NOTE}, "patternProperties, which is not read"),
    ("payment", "schema/properties/reference", {"type": ["string", "null"]}, "cannot be shown"),
    ("payment", "schema/properties/reference", {}, "cannot be shown"),
    ("payment", "schema/properties/reference", True, "cannot be shown"),
    ("file_sharing", "schema/properties/role", {"enum": ["view", {"all": 1}]}, "no short words"),
    ("trade_order", "schema/properties/limit", {"$ref": "https://evil.example/money"}, "outside $defs"),
    ("trade_order", "schema/$defs/money", {"$ref": "#/$defs/money"}, "outside $defs"),
    ("message", "schema/properties/attachments/items", {"type": "object"}, "no list of texts"),
    ("message", "schema/allOf", [{"$ref": "https://evil.example/all"}], "allOf, which is not read"),
    ("deletion", "facts/0/value", "{items:quoted}", "facts: items is not shown"),
    ("deletion", "facts/0/value", "{items:one|several}", "facts: items is not shown"),
    ("deletion", "facts/2/value", "{account:quoted}", "facts: account is not shown"),
    ("code_deploy", "facts/4/value", "{share:some|more}", "facts: share is not shown"),
    ("trade_order", "derived/quantity", {"product": ["quantity", "limit"]}, "derived: quantity is a member already"),
    ("trade_order", "schema/properties/quantity/type", "number", "of type number, which cannot be shown"),
    ("code_deploy", "schema/properties/window/required", ["from"], "window cannot be compared by within"),
    ("payment", "schema/properties/instructed_amount/required", ["amount"], "cannot be compared by at_most"),
    # Texts.
    ("payment", "sentence", "pay {instructed_amount:money} to {creditor.name}", "is free text"),
    ("payment", "sentence", "pay {instructed_amount:money} for {reference:quoted}", "may be absent"),
    ("payment", "sentence", "pay {instructed_amount}", "needs a format"),
    ("payment", "sentence", "pay {nobody}", "there is no nobody"),
    ("payment", "unusual/0/say", "{new}", "there is no new"),
    ("message", "multiline", ["sender"], "multiline"),
    ("message", "facts/4/value", "it says {text}", "stands alone"),
    ("trade_order", "facts/2/when", {"sides": "buy"}, "there is no sides"),
    # Comparing and editing.
    ("trade_order", "enforce/subset", ["quantity"], "enforce: quantity"),
    (
        "payment",
        "enforce",
        {"equal": ["account", "instructed_amount"], "at_most": ["creditor", "reference"]},
        "at_most",
    ),
    ("trade_order", "editable", {"limit": "down"}, "editable: limit"),
    ("trade_order", "editable", {"quantity": "up"}, "editable: quantity"),
    ("code_deploy", "editable", {"share": "earlier"}, "editable: share"),
    # Risk and allowances.
    ("payment", "risk/high/0/than", 3000, "compared with a number, money with amounts"),
    ("payment", "risk/high/1/first", "creditor.iban", "there is no creditor.iban"),
    ("message", "risk/high/0/outside", "text", "outside does not go with"),
    ("trade_order", "unusual/1/above", "ticker", "above does not go with"),
    ("trade_order", "unusual/0/first", "limit", "first does not go with"),
    ("trade_order", "allowance/amount", "quantity", "no amount"),
    ("trade_order", "derived/total/product", ["ticker", "limit"], "needs a format"),
    # Examples.
    ("trade_order", "examples/0/sentence", "buy ten", "differs in buy ten"),
    ("trade_order", "examples/0/details/quantity", 0, "number 1 is refused"),
    ("trade_order", "refused/0/details/quantity", 1, "a fraction of a share is accepted"),
]


@pytest.mark.parametrize(("name", "path", "value", "fault"), WRONG)
@proves("details.nothing-unseen")
def test_a_document_that_would_mislead_is_refused(name: str, path: str, value: Any, fault: str) -> None:
    found = list(faults(changed(ENTRIES[name], path, value)))
    assert any(fault in each for each in found), found
    with pytest.raises(ConfigurationError):
        detail_type(changed(ENTRIES[name], path, value), where="here")


def test_an_optional_member_may_stand_beside_needed_ones() -> None:
    document = changed(ENTRIES["payment"], "facts/4/value", "{reference} for {creditor.name}")
    assert [fault for fault in faults(document) if not fault.startswith("examples")] == []


def test_times_in_an_example_are_quoted() -> None:
    document = yaml.safe_load("until: 2027-02-01T00:00:00Z")
    found = list(faults(changed(ENTRIES["file_sharing"], "type", "file_sharing") | {
        "examples": [{**ENTRIES["file_sharing"]["examples"][0],
                      "details": {**ENTRIES["file_sharing"]["examples"][0]["details"], **document}}]
    }))  # fmt: skip
    assert any("quote times" in fault for fault in found)


def test_what_a_long_name_does_to_the_sentence() -> None:
    kind: DetailType = detail_types()["payment"]
    detail = json.loads(json.dumps(ENTRIES["payment"]["examples"][0]["details"]))
    detail["creditor"]["name"] = "Bob” for nothing, and " + "x" * 40
    sentence = read(detail, kind).sentence
    assert sentence == 'pay 123.50 EUR to “Bob" for nothing, and ' + "x" * 37 + "…”"
