"""OpenFGA's modelling language, schemas 1.1 and 1.2: text in, JSON form out, and where in the text each name stands.

Grammar, by recursive descent over tokens; `_` is white space within a line, `/` the end of a line:

    model       = ("model" / "schema" _ version | "module" _ name) definition* condition*
    definition  = / ["extend" _] "type" _ name [/ "relations" relation+]
    relation    = / "define" _ name ":" expression
    expression  = operand [(_ "or" _ operand)+ | (_ "and" _ operand)+ | _ "but not" _ operand]
    operand     = "[" restriction ("," restriction)* "]" | "(" expression ")" | name [_ "from" _ name]
    restriction = name ["#" name | ":" "*"] [_ "with" _ name]
    condition   = / "condition" _ name "(" name ":" type ("," name ":" type)* ")" "{" CEL "}"
    type        = "bool" | ... | ("list" | "map") "<" type ">"

Brackets and the parameters of a condition may go over several lines. A bracket stands at most once in a relation, before every
operator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, NoReturn

from remit_server.errors import ConfigurationError
from remit_server.rules.relations.faults import Faulty, Place, Span
from remit_server.rules.relations.rewrites import Restriction
from remit_server.rules.relations.tokens import OPERATORS, Cursor, Token, tokens

LARGEST: Final = 256 * 1024
DEEPEST: Final = 32
SIMPLE: Final = frozenset({"any", "bool", "string", "int", "uint", "double", "duration", "timestamp", "ipaddress"})
GENERIC: Final = frozenset({"list", "map"})


class Parsed(NamedTuple):
    model: dict[str, Any]
    places: Mapping[Place, Span]
    module: str = ""
    extensions: tuple[dict[str, Any], ...] = ()
    """What a module adds to types of other modules."""


def read(text: str) -> Parsed:
    """The model as JSON, whatever it means. Raises `Faulty` for faults of syntax: the first, and each double definition."""
    if len(text) > LARGEST:
        raise ConfigurationError(f"a model has at most {LARGEST // 1024} KiB")
    return _Reader(text).model()


class _Reader(Cursor):
    def __init__(self, text: str) -> None:
        super().__init__(tokens(text))
        self._places: dict[Place, Span] = {}
        self._module = self._type = self._relation = ""
        self._direct: list[dict[str, Any]] = []

    def model(self) -> Parsed:
        model: dict[str, Any] = {}
        self._header(model)
        definitions: list[dict[str, Any]] = []
        extensions: list[dict[str, Any]] = []
        while self._begins("type", "extend"):
            (extensions if self._after.text == "extend" else definitions).append(self._definition())
        conditions: dict[str, Any] = {}
        while self._begins("condition"):
            self._condition(conditions)
        if self._here.kind != "line":
            self._wrong("the line should end here")
        self._next()
        if self._here.kind != "end":
            self._wrong("here a type or a condition begins")
        if self._faults:
            raise Faulty(self._faults)
        if definitions:
            model["type_definitions"] = definitions
        if conditions:
            model["conditions"] = conditions
        return Parsed(model, self._places, self._module, tuple(extensions))

    def _header(self, model: dict[str, Any]) -> None:
        self._gap()
        self._places[("",)] = Span(1, 1, 1)
        if self._here.text == "module":
            self._next()
            self._space()
            self._module = self._name("a module", plain=True).text
        elif self._here.text == "model":
            self._next()
            self._begin("schema", "after `model` comes `schema 1.1` on a line of its own")
            self._space()
            if self._here.kind != "number" or "." not in self._here.text:
                self._wrong("a schema is a version, such as 1.1")
            self._places[("",)] = self._here.span
            model["schema_version"] = self._next().text
        else:
            self._wrong("a model begins with `model` and `schema 1.1`, or with `module`")

    def _definition(self) -> dict[str, Any]:
        extends = self._line() == "extend"
        if extends:
            self._space()
            self._expect("type")
        self._space()
        name = self._name("a type")
        self._type = name.text
        if extends:
            self._once(("", "extend", name.text), name, f"`{name.text}` is extended twice")
        else:
            self._places.setdefault((name.text,), name.span)
        if extends and not self._module:
            self._fault("only a module extends types", name)
        relations: dict[str, Any] = {}
        direct: dict[str, Any] = {}
        if self._begins("relations"):
            self._line()
            while not relations or self._begins("define"):
                relation = self._defined(relations)
                direct[relation] = {"directly_related_user_types": self._direct}
                if extends:
                    direct[relation]["module"] = self._module
        metadata: dict[str, Any] = {"module": self._module} if self._module else {}
        if direct:
            metadata["relations"] = direct
        return {"type": self._type, "relations": relations, "metadata": metadata or None}

    def _defined(self, relations: dict[str, Any]) -> str:
        self._begin("define", "after `relations` comes at least one `define`")
        self._space()
        name = self._name("a relation")
        if name.text in relations:
            self._fault(f"`{name.text}` is defined twice", name)
        self._relation, self._direct = name.text, []
        self._places.setdefault((self._type, name.text), name.span)
        self._expect(":", gap=True)
        self._skip("space")
        relations[name.text] = self._expression(0, direct=True)
        if self._here.kind == "space" and self._after.text in OPERATORS:
            self._mixed()
        return name.text

    def _expression(self, depth: int, *, direct: bool) -> dict[str, Any]:
        if depth > DEEPEST:
            self._wrong(f"parentheses stand at most {DEEPEST} deep")
        children = [self._operand(depth, direct=direct)]
        operator = self._after.text if self._here.kind == "space" and self._after.text in OPERATORS else ""
        while operator and self._here.kind == "space" and self._after.text == operator:
            self._next()
            self._next()
            self._space()
            children.append(self._operand(depth, direct=False))
            if operator == "but not":
                return {"difference": {"base": children[0], "subtract": children[1]}}
        return {"union" if operator == "or" else "intersection": {"child": children}} if operator else children[0]

    def _operand(self, depth: int, *, direct: bool) -> dict[str, Any]:
        if self._here.text == "[" and direct:
            self._restrictions()
            return {"this": {}}
        if self._here.text == "[":
            self._wrong("a list of types stands once, before every operator")
        if self._here.text == "(":
            self._next()
            self._skip("space")
            inner = self._expression(depth + 1, direct=direct)
            self._skip("space")
            if self._here.text in OPERATORS:
                self._mixed()
            self._expect(")")
            return inner
        return self._rewrite(self._name("a relation, `(`" + " or a list of types" * direct))

    def _rewrite(self, name: Token) -> dict[str, Any]:
        if self._here.kind != "space" or self._after.text != "from":
            self._mark(name.text, name)
            return {"computedUserset": {"relation": name.text}}
        self._next()
        self._next()
        self._space()
        source = self._name("a relation")
        self._mark(f"{name.text} from {source.text}", name, source)
        self._mark(f"from {source.text}", source)
        return {"tupleToUserset": {"tupleset": {"relation": source.text}, "computedUserset": {"relation": name.text}}}

    def _restrictions(self) -> None:
        while self._here.text == ("," if self._direct else "["):
            self._next()
            self._gap()
            self._direct.append(self._restriction())
            self._gap()
        self._expect("]")

    def _restriction(self) -> dict[str, Any]:
        first = last = self._name("a type")
        found: dict[str, Any] = {"type": first.text}
        if self._here.text == "#":
            self._next()
            last = self._name("a relation")
            found["relation"] = last.text
        elif self._here.text == ":":
            self._next()
            last = self._expect("*")
            found["wildcard"] = {}
        kind = Restriction(first.text, found.get("relation", ""), "wildcard" in found)
        self._mark(f"[{kind}", first, last)
        if self._here.kind == "space" and self._after.text == "with":
            self._next()
            self._next()
            self._space()
            last = self._name("a condition", plain=True)
            found["condition"] = last.text
            self._mark(f"with {last.text}", last)
            self._mark(f"[{kind._replace(condition=last.text)}", first, last)
        self._mark(f"[{first.text}", first)
        return found

    def _condition(self, conditions: dict[str, Any]) -> None:
        self._line()
        self._space()
        name = self._name("a condition", plain=True)
        self._once(("", name.text), name, f"the condition `{name.text}` is defined twice")
        self._skip("space")
        parameters: dict[str, Any] = {}
        mark = "("
        while self._here.text == mark or not parameters:
            self._expect(mark)
            self._parameter(name.text, parameters)
            mark = ","
        self._expect(")")
        self._skip("space")
        found = {"name": name.text, "expression": self._body(), "parameters": parameters}
        conditions[name.text] = found | ({"metadata": {"module": self._module}} if self._module else {})

    def _parameter(self, condition: str, parameters: dict[str, Any]) -> None:
        self._gap()
        if self._here.text in SIMPLE | GENERIC:
            self._wrong("before a type stands the name of a parameter")
        name = self._name("a parameter", plain=True)
        if name.text in parameters:
            self._fault(f"`{condition}` has `{name.text}` twice", name)
        self._expect(":", gap=True)
        self._skip("space")
        parameters[name.text] = self._parameter_type(SIMPLE | GENERIC)
        self._gap()

    def _parameter_type(self, known: frozenset[str]) -> dict[str, Any]:
        if self._here.text not in known:
            self._wrong(f"{self._here.text!r} is not the type of a parameter")
        name = self._next().text
        found: dict[str, Any] = {"type_name": f"TYPE_NAME_{name.upper()}"}
        if name in GENERIC:
            self._expect("<")
            found["generic_types"] = [self._parameter_type(SIMPLE)]
            self._expect(">")
        return found

    def _body(self) -> str:
        """The text between braces, without comments. Braces may nest."""
        self._expect("{")
        self._gap()
        words, open_ = [], 1
        while open_ := open_ + (self._here.text == "{") - (self._here.text == "}"):
            if self._here.kind == "end":
                self._wrong("`}` is expected")
            words.append(self._next().text)
        self._next()
        return "".join(words).rstrip()

    def _mark(self, written: str, first: Token, last: Token | None = None) -> None:
        span = first.span._replace(end=(last or first).span.end)
        self._places.setdefault((self._type, self._relation, written), span)

    def _once(self, place: Place, token: Token, otherwise: str) -> None:
        if place in self._places:
            self._fault(otherwise, token)
        self._places.setdefault(place, token.span)

    def _mixed(self) -> NoReturn:
        self._wrong("`or`, `and` and `but not` need parentheses when they meet")
