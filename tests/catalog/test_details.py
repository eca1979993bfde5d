"""Every kind of rich authorization request in the catalog keeps the rules of its format."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import remit_server
from remit_server.catalog.load import detail_types
from remit_server.errors import InvalidDetails
from remit_server.rules.details import judge
from remit_server.rules.reading import read

CATALOG = Path(remit_server.__file__).parent / "catalog"
FORMAT = json.loads((CATALOG / "schema" / "details.json").read_text())
ENTRIES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((CATALOG / "details").glob("*.yaml"))}

_PLACE = re.compile(r"\{([a-z0-9_.]+)")


@pytest.fixture(params=ENTRIES, ids=str)
def entry(request: pytest.FixtureRequest) -> dict[str, Any]:
    return ENTRIES[request.param]


def test_the_first_two_are_there() -> None:
    assert {"trade_order", "payment"} <= ENTRIES.keys()


def test_an_entry_has_the_format(entry: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(FORMAT)
    jsonschema.Draft202012Validator(FORMAT).validate(entry)


def test_an_entry_is_filed_under_its_type(entry: dict[str, Any]) -> None:
    assert ENTRIES[entry["type"]] is entry
    assert entry["schema"]["properties"]["type"] == {"const": entry["type"]}


def test_its_schema_is_one(entry: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(entry["schema"])


def test_each_member_is_enforced_in_one_way(entry: dict[str, Any]) -> None:
    listed = [member for members in entry["enforce"].values() for member in members]
    assert sorted([*listed, "type"]) == sorted(entry["schema"]["properties"])


def test_texts_name_members_that_exist(entry: dict[str, Any]) -> None:
    texts = [entry["sentence"], *(fact["value"] for fact in entry["facts"])]
    texts += [line["say"] for line in entry.get("unusual", [])]
    paths = [path for text in texts for path in _PLACE.findall(text)]
    paths += [path for fact in entry["facts"] for path in fact.get("when", {})]
    paths += [path for value in entry.get("derived", {}).values() for path in value["product"]]
    paths += [line.get("first", line.get("above")) for line in entry.get("unusual", [])]
    for path in paths:
        assert path == "times" or exists(entry, path.split(".")), path


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


def exists(entry: dict[str, Any], path: list[str]) -> bool:
    if path[0] in entry.get("derived", {}):
        return len(path) == 1
    schema = entry["schema"]
    for member in path:
        if "$ref" in schema:
            schema = entry["schema"]["$defs"][schema["$ref"].rpartition("/")[2]]
        schema = schema.get("properties", {}).get(member)
        if schema is None:
            return False
    return True
