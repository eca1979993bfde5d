"""What any request of a shipped type reads like: all of it is there, and nothing that an agent chose breaks a rule."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ledger import proves

from remit_server.catalog.load import detail_types
from remit_server.errors import InvalidDetails
from remit_server.rules.details import judge as judge_details
from remit_server.rules.enforcing import difference
from remit_server.rules.reading import formatted, money, read
from remit_server.rules.risk import Known, judge

TYPES = detail_types()
TIMES = st.integers(0, 4_000_000_000).map(lambda at: f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}Z")


def valid(schema: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a schema, which uses no words but those that a detail type may use."""
    if "$ref" in schema:
        schema = {**root["$defs"][schema["$ref"].rpartition("/")[2]], **schema}
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    match schema["type"]:
        case "object":
            members = {name: valid(inner, root) for name, inner in schema["properties"].items()}
            needed = {name: members.pop(name) for name in schema["required"]}
            return st.fixed_dictionaries(needed, optional=members)
        case "array":
            most = min(schema["maxItems"], 4)
            return st.lists(
                valid(schema["items"], root), min_size=schema.get("minItems", 0), max_size=most, unique=True
            )
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case "boolean":
            return st.booleans()
    if schema.get("format") == "date-time":
        return TIMES
    least, most = schema.get("minLength", 0), schema["maxLength"]
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True).filter(lambda text: least <= len(text) <= most)
    return st.text(st.sampled_from("ab “”{}<&%,\n…é中"), min_size=least, max_size=min(most, 80))


def leaves(value: Any) -> Iterator[str]:
    """Each value as a fact would have it; quotation marks of the agent are plain ones where ours stand around."""
    if isinstance(value, dict) and value.keys() == {"amount", "currency"}:
        yield money(value["amount"], value["currency"])
    elif isinstance(value, dict):
        for member in value.values():
            yield from leaves(member)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value):
        yield formatted(value, "time")
    elif isinstance(value, int) and not isinstance(value, bool):
        yield f"{value:,}"
    elif isinstance(value, str):
        yield value


def plain(text: str) -> str:
    return re.sub("[“”„‟«»]", '"', text)


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
@proves("details.nothing-unseen")
def test_all_of_a_request_is_on_its_card(name: str, data: st.DataObject) -> None:
    kind = TYPES[name]
    drawn = data.draw(valid(kind.document["schema"], kind.document["schema"]))
    try:
        (detail,) = judge_details(json.dumps([drawn]), TYPES, [name])
    except InvalidDetails:
        return
    reading = read(detail, kind)
    assert len(reading.sentence) < 250
    assert "{" not in re.sub("“.*?”", "", reading.sentence)
    told = plain("\n".join(line.value for line in reading.lines)).lower()
    for value in leaves({member: value for member, value in detail.items() if member != "type"}):
        assert plain(value).lower() in told, value
    assert difference(kind, detail, json.loads(json.dumps(detail))) is None
    assert judge((detail,), TYPES, Known()).tier in {"low", "high"}
    assert judge((detail,), TYPES, Known(earlier=(detail,))).unusual == ()
