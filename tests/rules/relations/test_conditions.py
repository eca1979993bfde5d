"""Conditions: what they may say, what they take, and what they may cost."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from tests.ledger import proves

from remit_server.errors import ConfigurationError
from remit_server.rules.relations.conditions import LONGEST_EXPRESSION, Condition, Unevaluable, compiled


def typed(name: str) -> dict[str, Any]:
    """`list<int>` in the JSON of a model."""
    outer, bracket, inner = name.removesuffix(">").partition("<") if name.endswith(">") else (name, "", "")
    return {"type_name": f"TYPE_NAME_{outer.upper()}"} | ({"generic_types": [typed(inner)]} if bracket else {})


def condition(expression: str, **parameters: str) -> Condition:
    return compiled("c", expression, {name: typed(type_) for name, type_ in parameters.items()})


@pytest.mark.parametrize(
    ("type_", "expression", "value", "expected"),
    [
        ("bool", "v", True, True),
        ("string", "v == 'é🙂'", "é🙂", True),
        ("int", "v == 2", 2, True),
        ("int", "v == 2", 2.0, True),
        ("int", "v == 2", "2", True),
        ("int", "v == 2", "2.0", True),
        ("int", "v == -200", "-2e2", True),
        ("int", "v == 9223372036854775807", "9223372036854775807", True),
        ("uint", "v == 18446744073709551615u", 2**64 - 1, True),
        ("double", "v == 2.5", "2.5", True),
        ("double", "v > 1.0", 2, True),
        ("duration", "v == duration('5400s')", "1h30m", True),
        ("duration", "v == duration('-1500ms')", "-1.5s", True),
        ("duration", "v == duration('2us')", "1us1000ns", True),
        ("duration", "v == duration('0s')", "0", True),
        ("timestamp", "v == timestamp('2024-02-29T12:00:00Z')", "2024-02-29T14:00:00+02:00", True),
        ("timestamp", "v < timestamp('2024-02-29T12:00:00Z')", "2024-02-29T11:59:59.999999999Z", True),
        ("timestamp", "v.getFullYear() == 2024", "2024-02-29T12:00:00Z", True),
        ("ipaddress", "v.in_cidr('192.168.0.0/16')", "192.168.7.1", True),
        ("ipaddress", "v.in_cidr('192.168.0.0/16')", "192.169.7.1", False),
        ("ipaddress", "v.in_cidr('192.168.7.9/16')", "192.168.7.1", True),
        ("ipaddress", "v.in_cidr('2001:db8::/32')", "2001:DB8::1", True),
        ("ipaddress", "v.in_cidr('2001:db8::/32')", "192.168.7.1", False),
        ("ipaddress", "v.in_cidr('192.168.0.0/16')", "::ffff:192.168.7.1", True),
        ("ipaddress", "v.in_cidr('::ffff:192.168.0.0/112')", "192.168.7.1", True),
        ("ipaddress", "v.in_cidr('fe80::/10')", "fe80::1%eth0", False),
        ("ipaddress", "v == ipaddress('2001:db8::1')", "2001:0db8:0::0:1", True),
        ("any", "v.a.b[0] == 1 && v.none == null", {"a": {"b": [1]}, "none": None}, True),
        ("any", "has(v.a)", {}, False),
        ("list<string>", "'x' in v", ["y", "x"], True),
        ("list<int>", "v.exists(each, each > 2)", ["1", 3.0], True),
        ("list<ipaddress>", "v.all(each, each.in_cidr('10.0.0.0/8'))", ["10.0.0.1", "10.9.9.9"], True),
        ("map<bool>", "v.on && !v['off']", {"on": True, "off": False}, True),
        ("map<list<double>>", "v.of[1] == 2.0", {"of": [1, 2]}, True),
    ],
)
def test_values_of_json_become_values_of_cel(type_: str, expression: str, value: Any, expected: bool) -> None:
    assert condition(expression, v=type_).evaluate("", {"v": value}) is expected
    assert condition(expression, v=type_).evaluate(json.dumps({"v": value}), {}) is expected


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        *((type_, value) for type_ in ("bool", "int", "uint", "double", "duration", "timestamp", "ipaddress")
          for value in (None, [], {}, "", "\ud800")),
        ("bool", 1), ("bool", "true"), ("string", 1), ("string", None), ("string", []),
        ("string", "\ud800"), ("int", True), ("int", 2.5), ("int", "2.5"), ("int", "two"),
        ("int", 2**63), ("int", 1e300), ("int", "1e999"), ("int", "٣"), ("uint", -1), ("double", True),
        ("double", 10**400), ("double", float("inf")), ("double", float("nan")), ("double", "inf"), ("double", "1_0"),
        ("duration", 5), ("duration", "1"), ("duration", "1d"), ("duration", "300000000h"), ("duration", "1h 30m"),
        ("timestamp", 0), ("timestamp", "2024-01-01"), ("timestamp", "2024-01-01T00:00:00"),
        ("timestamp", "2024-02-30T00:00:00Z"), ("timestamp", "2024-01-01t00:00:00z"), ("timestamp", "0000-01-01T00:00:00Z"),
        ("ipaddress", "192.168.1"), ("ipaddress", "192.168.01.1"), ("ipaddress", 3232235777), ("ipaddress", "10.0.0.0/8"),
        ("list<int>", "1"), ("list<int>", ["x"]), ("map<int>", [1]), ("map<int>", {"x": "y"}), ("map<int>", {"\ud800": 1}),
        ("any", "\ud800"), ("any", 10**400), ("any", json.loads("[" * 40 + "]" * 40)),
    ],
)  # fmt: skip
def test_what_does_not_fit_its_type_decides_nothing(type_: str, value: Any) -> None:
    with pytest.raises(Unevaluable, match=r"`v` of the condition `c` must be .*: its type is"):
        condition("v == v", v=type_).evaluate("", {"v": value})


@proves("relations.condition-unsaid-decides-nothing")
def test_a_parameter_that_is_missing_is_named() -> None:
    both = condition("a == 1 || b == 2", a="int", b="int")
    with pytest.raises(Unevaluable, match="lacks `b`"):  # even where the other would decide
        both.evaluate('{"a": 1}', {"unknown": 1})
    with pytest.raises(Unevaluable, match="lacks `a`, `b`"):
        both.evaluate("", {})


@proves("relations.condition-tuple-wins")
def test_the_tuple_has_the_last_word() -> None:
    until = condition("now < until", now="timestamp", until="timestamp")
    said = {"now": "2024-01-02T00:00:00Z", "until": "2030-01-01T00:00:00Z"}
    assert until.evaluate("", said)
    assert not until.evaluate('{"until": "2024-01-01T00:00:00Z"}', said)


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("v", "is of the type int, and not bool"),
        ("w == 1", "1:1: undeclared reference to 'w'"),
        ("v == 'x'", "no matching overload for '_==_' applied to '\\(int, string\\)'"),
        ("v ==", "1:5: Syntax error"),
        ("", "is no CEL"),
        ("v == 1 // " + "x" * LONGEST_EXPRESSION, "longer than 512 bytes"),
        ("(" * 200 + "true" + ")" * 200, "is no CEL"),
        ("'\ud800' == ''", "is no CEL"),
        ("ip == 'x'", "no matching overload"),
        ("ip < ip", "no matching overload"),
        ("string(ip) == ''", "no matching overload"),
        ("'10.0.0.1'.in_cidr('10.0.0.0/8')", "no matching overload"),
        ("anything", "is of the type dyn, and not bool"),
    ],
)
def test_what_is_no_condition(expression: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        condition(expression, v="int", ip="ipaddress", anything="any")


@pytest.mark.parametrize(
    "parameters",
    [
        {"v": None}, {"v": {}}, {"v": {"type_name": "TYPE_NAME_UNSPECIFIED"}}, {"v": {"type_name": 1}}, {"v": typed("list")},
        {"v": {**typed("int"), "generic_types": [typed("int")]}}, {"v": {**typed("list"), "generic_types": {}}},
        {"a b": typed("int")}, {"": typed("int")}, {"v\0": typed("int")}, {"v": typed("list<" * 40 + "int" + ">" * 40)},
    ],
)  # fmt: skip
def test_what_is_no_parameter(parameters: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        compiled("c", "true", parameters)


def test_either_spelling_of_a_type() -> None:
    assert compiled(
        "c", "v[0] == 1", {"v": {"typeName": "TYPE_NAME_LIST", "genericTypes": [{"typeName": "TYPE_NAME_INT"}]}}
    )


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 / v == 1", 0),
        ("v * 4611686018427387904 == 1", 4),
        ("[1][v] == 1", 7),
        ("{'x': 1}[string(v)] == 1", 7),
        ("dyn(v) > 'x'", 7),
        ("ipaddress('10.0.0.' + string(v)) == ipaddress('10.0.0.1')", 999),
        ("ipaddress('10.0.0.1').in_cidr('10.0.0.0/' + string(v))", 99),
        ("ipaddress('10.0.0.1').in_cidr('10.0.0.0/255.0.0.' + string(v))", 0),
        ("timestamp(string(v)) == timestamp(string(v))", 0),
        ("'x'.matches('(' + string(v))", 0),
    ],
)
def test_an_evaluation_that_fails_decides_nothing(expression: str, value: int) -> None:
    with pytest.raises(Unevaluable, match="cannot be evaluated") as refused:
        condition(expression, v="int").evaluate("", {"v": value})
    assert refused.value.detail


DOUBLED = ".map(x, x + x)" * 25
BOMBS = [
    (f"['ab']{DOUBLED} == ['']", {}),  # a text of 64 MB
    (f"[string(v)]{DOUBLED} == ['']", {"v": 1}),
    (f"[[v]]{DOUBLED} == [[1]]", {"v": 1}),
    (f"[1]{'.map(x, [x, x])' * 14}.exists(y, dyn(y) == dyn(1)) && [1]{'.map(x, [x, x])' * 14} == []", {}),
    (f"[{{'k': 1}}]{'.map(x, {1: x, 2: x})' * 20} == []", {}),
    ("l.map(x, x).size() == 0", {"l": list(range(8000))}),  # each turn copies
    ("l.exists(x, l.exists(y, x + y == -1))", {"l": list(range(500))}),
    ("l.exists(x, t.matches('(.*)(.*)[ab]$'))", {"l": list(range(5000)), "t": "c" * 5000}),
    (r"t.matches('(\\PN?){1000}c')", {"t": "a" * 30_000}),
    ("t.matches('(.{1,500}a){2}')", {"t": "ab" * 15_000}),
    ("t.matches(p)", {"t": "a", "p": "((a?){30}){30}c"}),
    ("t.matches(p)", {"t": "a", "p": r"\pN\pN\pN"}),
    ("matches('a', p)", {"p": "((a?){30}){30}c"}),
    ("t.matches('^' + m.p[0])", {"t": "a", "m": {"p": ["a{9}"]}}),
    (r"l.exists(x, 'a'.matches('(\\PN?){1000}c'))", {"l": [1]}),  # 180 ms each, to compile
    (r"'a'.matches('[\\pL\\pN]{3}')", {}),
    ("t.contains(p)", {"t": "a" * 400_000, "p": "a" * 200_000 + "b"}),
    ("l" + "+l" * 27 + " == l", {"l": list(range(16_000))}),
    ("a.exists(x, x.in_cidr('10.0.0.0/8'))", {"a": ["11.0.0.1"] * 2000}),
]


@proves("relations.condition-cost")
@pytest.mark.parametrize(("expression", "values"), BOMBS)
def test_what_would_take_too_long_is_not_begun(expression: str, values: dict[str, Any]) -> None:
    types = {"v": "int", "l": "list<int>", "t": "string", "p": "string", "a": "list<ipaddress>", "m": "any"}
    one = condition(expression, **{name: types[name] for name in values})
    begun = time.process_time()
    with pytest.raises(Unevaluable, match="takes too long"):
        one.evaluate("", values)
    assert time.process_time() - begun < 0.2


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("l.exists(x, x == 8999)", {"l": list(range(9000))}),
        ("l.filter(x, x > 150).map(y, y * 2).size() == 49", {"l": list(range(200))}),
        ("l.exists(x, l.exists(y, x + y == 178))", {"l": list(range(90))}),
        ("m.all(k, m[k] >= 0)", {"m": {str(n): n for n in range(500)}}),
        ("t.matches('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')", {"t": "550e8400-e29b-41d4-a716-446655440000"}),
        ("t.matches('^[^@]+@example[.]com$')", {"t": "a" * 3000 + "@example.com"}),
        ("t.matches(p)", {"t": "ada@example.com", "p": "^[a-z]+@"}),
        (r"t.matches('^\\pL+$')", {"t": "édouard"}),
        ("t.contains('ab')", {"t": "a" * 1_000_000 + "b"}),
        ("a.all(x, x.in_cidr('10.0.0.0/8'))", {"a": ["10.0.0.1"] * 200}),
    ],
)
def test_what_is_asked_in_earnest_is_answered(expression: str, values: dict[str, Any]) -> None:
    types = {"l": "list<int>", "m": "map<int>", "t": "string", "p": "string", "a": "list<ipaddress>"}
    assert condition(expression, **{name: types[name] for name in values}).evaluate("", values)


def test_one_condition_serves_many_threads() -> None:
    one = condition("l.exists(x, x == v) && ip.in_cidr('10.0.0.0/8')", l="list<int>", v="int", ip="ipaddress")
    wrong: list[int] = []

    def ask(v: int) -> None:
        found = {one.evaluate(json.dumps({"v": v}), {"l": [1, 2, 3], "ip": "10.0.0.1"}) for _ in range(200)}
        wrong.extend({v} if found != {v in {1, 2, 3}} else ())

    threads = [threading.Thread(target=ask, args=(v,)) for v in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
