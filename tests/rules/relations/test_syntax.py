"""What upstream's cases leave open: conditions as text, comments, and text that was made to do harm."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from tests.ledger import proves

from remit_server.errors import ConfigurationError
from remit_server.rules.relations import syntax
from remit_server.rules.relations.faults import Faulty
from remit_server.rules.relations.form import form
from remit_server.rules.relations.model import compiled, faults, parse
from remit_server.rules.relations.writing import written

HEAD = "model\n  schema 1.1\ntype user\n"


def condition(text: str) -> dict[str, Any]:
    found: dict[str, Any] = syntax.read(HEAD + text).model["conditions"]["it"]
    return found


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("condition it(x: int) { x < 1 }", "x < 1"),
        ("condition it(x: int) {x < 1}", "x < 1"),
        ("condition it(x: int)\t{\n\n  x < 1\n\n}\n", "x < 1"),
        ("condition it(x: int) {\n  x < 1 &&\n    x > 0\n  }", "x < 1 &&\n    x > 0"),
        ("condition it(x: int) {\n  x < 1 // few\n  # and\n  && x > 0 # none\n}", "x < 1\n\n  && x > 0"),
        ("condition it(x: string) { x == 'a # b // }' }", "x == 'a # b // }'"),
        ('condition it(x: string) { x == r"\\" || x == """a\n"}" """ }', 'x == r"\\" || x == """a\n"}" """'),
        ("condition it(x: string) { {'a': {'b': x}}.a.b == '' }", "{'a': {'b': x}}.a.b == ''"),
        ("condition it(x: int) { x - 0x1F <= 1.5e3 || !(x % 2u == 0) ? true : x[0] in [null] }",
         "x - 0x1F <= 1.5e3 || !(x % 2u == 0) ? true : x[0] in [null]"),
    ],
)  # fmt: skip
def test_expressions_of_conditions(text: str, expression: str) -> None:
    assert condition(text)["expression"] == expression


def test_parameters_of_every_type() -> None:
    simple = sorted(syntax.SIMPLE)
    declared = [f"p{n}: {name}" for n, name in enumerate([*simple, "list<any>", "map< int >".replace(" ", "")])]
    found = condition("condition it(\n  " + ",\n  ".join(declared) + "\n) { true }")["parameters"]
    assert [each["type_name"] for each in found.values()] == [
        *(f"TYPE_NAME_{name.upper()}" for name in simple), "TYPE_NAME_LIST", "TYPE_NAME_MAP",
    ]  # fmt: skip
    assert found["p9"]["generic_types"] == [{"type_name": "TYPE_NAME_ANY"}]


@pytest.mark.parametrize(
    ("text", "where", "fault"),
    [
        ("condition it(x: int) { x", "5:1", "`}` is expected"),
        ("condition it(x: int) x }", "4:22", "`{` is expected"),
        ("condition it(x: text) { true }", "4:17", "is not the type"),
        ("condition it() { true }", "4:14", "a parameter is expected"),
        ("condition a.b(x: int) { true }", "4:11", "not written `a.b`"),
        ("condition it(x: int) { 'open }", "4:24", "has no meaning"),
        ("condition it(x: int) { true }\ntype late", "5:1", "a type or a condition begins"),
    ],
)
def test_faults_of_conditions(text: str, where: str, fault: str) -> None:
    with pytest.raises(Faulty, match=fault) as raised:
        syntax.read(HEAD + text)
    assert raised.value.where == where


def test_what_a_condition_says_is_checked_where_it_stands() -> None:
    text = HEAD + "type doc\n  relations\n    define viewer: [user with late]\ncondition late(x: int) { y < 1 }"
    with pytest.raises(Faulty) as raised:
        parse(text)
    assert [(fault.code, str(fault.span)) for fault in raised.value.faults] == [("invalid-condition", "7:11")]


def test_a_server_takes_what_only_its_writer_would_change() -> None:
    text = (
        HEAD
        + "type doc\n  relations\n    define a: [user, user]\n    define b: a or a\ncondition late(x: int) { x < 1 }"
    )
    parsed = syntax.read(text)
    assert {fault.code for fault in faults(parsed.model, parsed.places)} == {"duplicated-error", "condition-not-used"}
    assert compiled(parsed.model).relation("doc", "b")
    with pytest.raises(Faulty, match=r"stands here twice \(and 2 more\)"):
        parse(text)


def test_a_fault_quotes_little_of_what_was_written() -> None:
    with pytest.raises(Faulty) as raised:
        parse(HEAD + f"type doc\n  relations\n    define a: [{'x' * 9000}]")
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("text", [" " * 300_000, HEAD + "type x" * 50_000])
def test_a_model_has_a_size(text: str) -> None:
    with pytest.raises(ConfigurationError, match="256 KiB"):
        syntax.read(text)


def test_a_model_has_a_number_of_conditions() -> None:
    parameters = {"x": {"type_name": "TYPE_NAME_INT"}}
    conditions = {f"c{n}": {"name": f"c{n}", "expression": "x < 1", "parameters": parameters} for n in range(101)}
    with pytest.raises(ConfigurationError, match="at most 100 conditions"):
        compiled({"schema_version": "1.1", "type_definitions": [{"type": "user"}], "conditions": conditions})


HOSTILE = {
    "a chain": ["    define r0: [user]\n", *(f"    define r{n}: r{n - 1}\n" for n in range(1, 8000))],
    "a chain upwards": [*(f"    define r{n}: r{n + 1}\n" for n in range(8000)), "    define r8000: [user]\n"],
    "a circle": [f"    define r{n}: r{(n + 1) % 8000}\n" for n in range(8000)],
    "a wide source": ["    define p: [d" + ", user" * 20_000 + "]\n", *(f"    define r{n}: a from p\n" for n in range(4000))],
    "every relation of many": [
        *(f"    define r{n}: [user]\n" for n in range(5000)), "    define all: ", " and ".join(f"r{n}" for n in range(5000)),
    ],
    "white space": ["    define a: [user]", " " * 200_000, "x"],
    "quotes": ["    define a: [user]\n", "'''\"\"\"" * 30_000],
    "parentheses": ["    define a: ", "(" * 200_000],
}  # fmt: skip


@proves("relations.models-in-linear-time")
@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_takes_long(name: str) -> None:
    text = HEAD + "type d\n  relations\n" + "".join(HOSTILE[name])
    begun = time.process_time()
    try:
        parsed = syntax.read(text)
        faults(parsed.model, parsed.places)
    except ConfigurationError:
        pass
    assert time.process_time() - begun < 5  # a quadratic way takes minutes


NAMES = ["a", "b2", "c_d", "e-f", "g/h.i", "type", "model"]


def rewrite(chance: random.Random, depth: int = 0) -> dict[str, Any]:
    kind = chance.choice(["computed", "from"] + ["union", "intersection", "difference"] * (depth < 3))
    name, source = chance.choice(NAMES), chance.choice(NAMES)
    if kind == "computed":
        return {"computedUserset": {"relation": name}}
    if kind == "from":
        return {"tupleToUserset": {"tupleset": {"relation": source}, "computedUserset": {"relation": name}}}
    parts = [rewrite(chance, depth + 1) for _ in range(2)]
    return (
        {"difference": {"base": parts[0], "subtract": parts[1]}} if kind == "difference" else {kind: {"child": parts}}
    )


@pytest.mark.parametrize("seed", range(40))
def test_what_is_written_reads_the_same(seed: int) -> None:
    chance = random.Random(seed)
    model: dict[str, Any] = {"schema_version": "1.1", "type_definitions": [], "conditions": {}}
    for type_ in chance.sample(NAMES, 3):
        relations, direct = {}, {}
        for name in sorted(chance.sample(NAMES, 4)):
            this = chance.random() < 0.5
            takes = [{"type": chance.choice(NAMES), **chance.choice([{}, {"wildcard": {}}, {"relation": "a"}])}]
            takes[0] |= chance.choice([{}, {"condition": "late"}])
            relations[name] = {"union": {"child": [{"this": {}}, rewrite(chance)]}} if this else rewrite(chance)
            direct[name] = {"directly_related_user_types": takes if this else []}
        model["type_definitions"].append({"type": type_, "relations": relations, "metadata": {"relations": direct}})
    parameters = {"x": {"type_name": "TYPE_NAME_LIST", "generic_types": [{"type_name": "TYPE_NAME_ANY"}]}}
    model["conditions"]["late"] = {"name": "late", "expression": "x[0] == 1\n  && true", "parameters": parameters}
    assert form(syntax.read(written(model)).model) == form(model)


@pytest.mark.parametrize("seed", range(20))
def test_garbage_is_refused_with_a_place(seed: int) -> None:
    chance = random.Random(seed)
    words = [
        *"[](){}:,#*<>.\n ",
        "type",
        "define",
        "relations",
        "or",
        "but not",
        "condition",
        "with",
        "x",
        "'",
        '"""',
        "//",
    ]
    text = HEAD + "".join(chance.choice([word, word + " ", "\n  " + word]) for word in chance.choices(words, k=60))
    with pytest.raises(Faulty) as raised:
        parse(text)
    assert raised.value.where
