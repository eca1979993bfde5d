"""The modelling language: what it means as JSON, and what is wrong where."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from remit_server.errors import ConfigurationError
from remit_server.rules.relations.model import compiled, parse


def this_model(*lines: str) -> str:
    return "\n".join(["model", "  schema 1.1", *lines])


def relation(expression: str) -> tuple[Any, Any]:
    """The rewrite and the restrictions of a relation with this expression, among others that it may name."""
    text = this_model(
        "type user", "type group", "  relations", "    define member: [user]", "type doc", "  relations",
        "    define a: [user]", "    define b: [user]", "    define c: [user]", "    define up: [doc]",
        f"    define it: {expression}",
    )  # fmt: skip
    doc = parse(text)["type_definitions"][2]
    return doc["relations"]["it"], doc["metadata"]["relations"]["it"]["directly_related_user_types"]


A, B, C = ({"computedUserset": {"relation": name}} for name in "abc")
THIS: dict[str, Any] = {"this": {}}
UP = {"tupleToUserset": {"tupleset": {"relation": "up"}, "computedUserset": {"relation": "a"}}}
USER = {"type": "user"}


@pytest.mark.parametrize(
    ("expression", "rewrite", "takes"),
    [
        ("[user]", THIS, [USER]),
        ("[user, user:*, group#member]", THIS,
         [USER, {"type": "user", "wildcard": {}}, {"type": "group", "relation": "member"}]),
        ("[user ,user:*]", THIS, [USER, {"type": "user", "wildcard": {}}]),
        ("[\n      user,\n      user:* # everybody\n    ]", THIS, [USER, {"type": "user", "wildcard": {}}]),
        ("a", A, []),
        ("a from up", UP, []),
        ("a or b", {"union": {"child": [A, B]}}, []),
        ("[user] or a or a from up", {"union": {"child": [THIS, A, UP]}}, [USER]),
        ("a and b and c", {"intersection": {"child": [A, B, C]}}, []),
        ("a but not b", {"difference": {"base": A, "subtract": B}}, []),
        ("([user] or a) but not b", {"difference": {"base": {"union": {"child": [THIS, A]}}, "subtract": B}}, [USER]),
        ("a or (b and c)", {"union": {"child": [A, {"intersection": {"child": [B, C]}}]}}, []),
        ("a but not (b or c)", {"difference": {"base": A, "subtract": {"union": {"child": [B, C]}}}}, []),
        ("((a))", A, []),
    ],
)  # fmt: skip
def test_expressions(expression: str, rewrite: Any, takes: Any) -> None:
    assert relation(expression) == (rewrite, takes)


def test_a_type_without_relations_and_comments() -> None:
    text = "# who\nmodel # this\n  schema 1.1\n\ntype user # a person\n"
    assert parse(text) == {
        "schema_version": "1.1",
        "type_definitions": [{"type": "user", "relations": {}, "metadata": None}],
    }


def test_windows_lines_and_names_with_dots_and_slashes() -> None:
    text = this_model("type acme/user.v2", "type doc-1", "  relations", "    define can_read: [acme/user.v2]")
    assert parse(text.replace("\n", "\r\n")) == parse(text)


GOOD = ["type user", "type group", "  relations", "    define member: [user]", "type doc", "  relations"]


@pytest.mark.parametrize(
    ("line", "where", "fault"),
    [
        # syntax
        ("define it [user]", "9:15", "`:` is expected"),
        ("define it: ", "9:15", "a relation, `(` or a list of types is expected"),
        ("define it: [user", "10:1", "`]` is expected"),
        ("define it: [user] or", "9:25", "a space is expected"),
        ("define it: [user] or ]", "9:26", "a relation, `(` is expected"),
        ("define it: (a\n   or b)", "9:18", "`)` is expected"),
        ("define it: [user] [group]", "9:22", "the line should end here"),
        ("define it: [user] or [group]", "9:26", "a list of types stands once"),
        ("define it: []", "9:17", "a type is expected"),
        ("define it: (a or b", "9:23", "`)` is expected"),
        ("define it: a or b and c", "9:22", "need parentheses"),
        ("define it: a but not b but not c", "9:27", "need parentheses"),
        ("define it: a but not b or c", "9:27", "need parentheses"),
        ("define it: a but b", "9:17", "the line should end here"),
        ("define it: or", "9:16", "is expected"),
        ("define it: [user:ada]", "9:22", "`*` is expected"),
        ("define it: [user with late]", "9:27", "the condition `late` is not defined"),
        ("define it: [user]; x", "9:22", "';' has no meaning here"),
        ("define this: [user]", "9:12", "cannot be named"),
        ("define " + "x" * 51 + ": [user]", "9:12", "at most 50 characters"),
        ("define it: " + "(" * 40 + "a" + ")" * 40, "9:49", "32 deep"),
        # meaning
        ("define it: nothing", "9:16", "`nothing` is not a relation of `doc`"),
        ("define it: [nobody]", "9:17", "the type `nobody` is not defined"),
        ("define it: [user, group#owner]", "9:23", "`owner` is not a relation of `group`"),
        ("define it: [user, user]", "9:17", "stands here twice"),
        ("define it: member from up", "9:16", "`up` is not a relation of `doc`"),
        ("define it: it", "9:12", "nobody can ever have `it`"),
        ("define it: [doc#it]", "9:12", "nobody can ever have `it`"),
    ],
)
def test_faults_name_their_place(line: str, where: str, fault: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse(this_model(*GOOD, f"    {line}"))
    assert (raised.value.where, fault in raised.value.text) == (where, True), str(raised.value)


@pytest.mark.parametrize(
    ("up", "fault"),
    [
        ("define up: [user] or other\n    define other: [user]", "and `up` is not one"),
        ("define up: [group, group:*]", "and `up` is not one"),
        ("define up: [group#member]", "and `up` is not one"),
        ("define up: [user]", "`member` is not a relation of `user`, which `up` leads to"),
    ],
)
def test_what_from_may_follow(up: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        parse(this_model(*GOOD, f"    {up}", "    define it: member from up"))
    parse(this_model(*GOOD, "    define up: [group, user]", "    define it: member from up"))


@pytest.mark.parametrize(
    ("text", "where", "fault"),
    [
        ("", "2:1", "begins with `model`"),
        ("type user", "1:1", "begins with `model`"),
        ("model schema 1.1", "1:7", "after `model`"),
        ("model\n  schema 1.0", "2:10", "1.0 is not supported"),
        (this_model("types user"), "3:1", "here a type or a condition begins"),
        (this_model("type user", "type user"), "3:6", "defined twice"),
        (this_model("type user", "  relations"), "5:1", "at least one `define`"),
        (this_model("type doc", "  relations", "    define a: [doc]", "    define a: [doc]"), "6:12", "defined twice"),
        (this_model("type user", "condition late() { true }"), "4:16", "a parameter is expected"),
        (this_model(), "2:10", "at least one type"),
    ],
)
def test_faults_of_the_whole(text: str, where: str | None, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault) as raised:
        parse(text)
    assert raised.value.where == where


def test_two_relations_that_lead_to_each_other_lead_nowhere() -> None:
    with pytest.raises(ConfigurationError, match="nobody can ever have"):
        parse(this_model("type user", "type doc", "  relations", "    define a: b", "    define b: a"))
    with pytest.raises(ConfigurationError, match="follows from itself"):
        parse(this_model("type user", "type doc", "  relations", "    define a: b", "    define b: [user] or a"))
    parse(this_model("type doc", "  relations", "    define up: [doc]", "    define a: [doc] or a from up"))


def test_json_in_either_spelling() -> None:
    camel = parse(this_model(*GOOD, "    define up: [group]", "    define it: member from up"))
    text = str(camel).replace("tupleToUserset", "tuple_to_userset").replace("computedUserset", "computed_userset")
    assert compiled(ast.literal_eval(text)).types == compiled(camel).types


@pytest.mark.parametrize(
    "rewrite",
    [{}, {"this": {}, "union": {}}, {"magic": {}}, {"union": {"child": []}}, {"intersection": {"child": []}},
     {"computedUserset": {}}, {"difference": {"base": {"this": {}}}}, None],
)  # fmt: skip
def test_json_that_means_nothing(rewrite: Any) -> None:
    direct = {"it": {"directly_related_user_types": [{"type": "doc"}]}}
    doc = {"type": "doc", "relations": {"it": {"this": {}}}, "metadata": {"relations": direct}}
    compiled({"schema_version": "1.1", "type_definitions": [doc]})
    with pytest.raises(ConfigurationError):
        compiled({"schema_version": "1.1", "type_definitions": [doc | {"relations": {"it": rewrite}}]})
