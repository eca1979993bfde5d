"""The questions of OpenFGA's suites (tests/conformance/openfga), for reasoning alone: no store, no HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from remit_server.rules.relations.facts import Contextual
from remit_server.rules.relations.model import Model, compiled, parse
from remit_server.rules.relations.tuples import RelationTuple

SUITES: Final = Path(__file__).parents[2] / "conformance" / "openfga"
CODES: Final = {2000: "validation_error", 2002: "authorization_model_resolution_too_complex"}
"""The errors that reasoning finds. The others are found before it: what no model defines, tuples that no model takes."""


class Asked(NamedTuple):
    name: str
    model: Model
    stored: list[RelationTuple]
    request: Mapping[str, Any]
    contextual: Contextual
    context: Mapping[str, Any]
    expected: list[str] | str


def asked(kind: str) -> Iterator[Asked]:
    """Every assertion of one kind, with what is stored; and for tests of one stage with nothing stored and all brought."""
    for test in _tests():
        stored: list[RelationTuple] = []
        for stage in test["stages"]:
            model = compiled(parse(stage["model"]))
            stored = [*stored, *map(_tuple, stage.get("tuples") or ())]
            for assertion in stage.get(kind) or ():
                error = assertion.get("errorCode", 0)
                if error and error not in CODES:
                    continue
                brought = [_tuple(each) for each in assertion.get("contextualTuples") or ()]
                expected = CODES[error] if error else sorted(assertion.get("expectation") or ())
                context = assertion.get("context") or {}
                request = assertion["request"]
                yield Asked(test["name"], model, stored, request, Contextual(brought), context, expected)
                if len(test["stages"]) == 1:
                    every = Contextual([*brought, *stored])
                    yield Asked(test["name"], model, [], request, every, context, expected)


@cache
def _tests() -> list[dict[str, Any]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [
        test
        for suite in ("consolidated_1_1_tests", "abac_tests")
        for test in yaml.load((SUITES / f"{suite}.yaml").read_text(), Loader=loader)["tests"]
    ]


def _tuple(value: Mapping[str, Any]) -> RelationTuple:
    condition = value.get("condition") or {}
    context = json.dumps(condition["context"]) if condition.get("context") else ""
    return RelationTuple(value["object"], value["relation"], value["user"], condition.get("name", ""), context)
