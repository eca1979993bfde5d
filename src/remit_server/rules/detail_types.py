"""Is the document of a detail type one to ask people with? What JSON Schema cannot say about catalog/schema/details.json.

Nothing is compared by accident, nothing is approved unseen, nothing that an agent writes is unbounded, and no edit is wider.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from remit_server.errors import InvalidDetails
from remit_server.records import DetailType
from remit_server.rules.detail_schema import Member, Shape, members_of, schema_faults
from remit_server.rules.details import judge
from remit_server.rules.enforcing import modes_of
from remit_server.rules.reading import PLACE, read

_FORMATS: Final[dict[str, frozenset[str]]] = {
    "money": frozenset({"money"}), "number": frozenset({"number", "tokens", "texts"}), "time": frozenset({"time"}),
    "capital": frozenset({"word"}), "quoted": frozenset({"text", "texts", "token", "tokens"}),
    "some": frozenset({"tokens"}), "|": frozenset({"number", "boolean", "tokens", "texts"}),
    "": frozenset({"word", "token", "text", "tokens", "texts"}),
}  # fmt: skip
_FREE: Final = frozenset({"text", "texts", "tokens"})
"""What stands in a sentence only in a format that keeps it short, and apart from our words."""
_ORDERED: Final = frozenset({"money", "number", "time", "word", "boolean"})
_DIRECTIONS: Final = {
    "down": ("at_most", _ORDERED - {"time"}), "up": ("at_least", _ORDERED - {"time"}),
    "earlier": ("at_most", frozenset({"time"})), "later": ("at_least", frozenset({"time"})),
    "subset": ("subset", frozenset({"texts", "tokens"})), "within": ("within", frozenset({"window"})),
}  # fmt: skip
_COMPARED: Final = {
    "at_most": _ORDERED, "at_least": _ORDERED, "subset": frozenset({"texts", "tokens"}), "within": frozenset({"window"})
}  # fmt: skip
_VERBS: Final = {
    "above": frozenset({"money", "number", "texts", "tokens"}), "outside": frozenset({"token", "tokens"}),
    "first": frozenset({"word", "token", "text", "tokens", "texts"}),
    "is": frozenset({"word", "token", "number", "boolean"}), "is_not": frozenset({"word", "token", "number", "boolean"}),
}  # fmt: skip
_REVEALED: Final[dict[str, frozenset[str]]] = {
    "": frozenset({"word", "token", "text", "tokens", "texts"}), "capital": frozenset({"word"}),
    "money": frozenset({"money"}), "number": frozenset({"number"}), "time": frozenset({"time"}), "|": frozenset({"boolean"}),
}  # fmt: skip
"""The formats that show all of a value: the others count, or cut."""


def faults(document: dict[str, Any]) -> Iterator[str]:
    """What is wrong, in words; nothing when it may be used. The document already has the form of the catalog."""
    wrong = [*schema_faults("", document["schema"], document["schema"])]
    yield from wrong
    if wrong:
        return  # the rest reads the schema
    members = members_of(document["schema"])
    derived = _derived(document, members)
    every = members | derived
    rest = (_overshadowed(document, members), _enforced(document),
            _compared(document, members), _texts(document, every), _shown(document, members),
            _conditions(document, every), _allowance(document, every))  # fmt: skip
    wrong = [fault for each in rest for fault in each]
    yield from wrong
    if not wrong:
        yield from _examples(DetailType(type=document["type"], document=document))


def _derived(document: dict[str, Any], members: dict[str, Member]) -> dict[str, Member]:
    found = {}
    for name, rule in document.get("derived", {}).items():
        used = [members.get(path, Member("object", needed=False)) for path in rule["product"]]
        number, factor = (each.shape for each in used)
        shape: Shape = factor if number == "number" and factor in {"number", "money"} else "object"
        found[name] = Member(shape, all(each.needed for each in used))
    return found


def _overshadowed(document: dict[str, Any], members: dict[str, Member]) -> Iterator[str]:
    for name in document.get("derived", {}).keys() & members.keys():
        yield f"derived: {name} is a member already"


def _enforced(document: dict[str, Any]) -> Iterator[str]:
    listed = [member for members in document["enforce"].values() for member in members]
    for name in sorted({*listed, *document["schema"]["properties"]} - {"type"}):
        if listed.count(name) != 1 or name not in document["schema"]["properties"]:
            yield f"enforce: {name} must be a member of the schema and stand in one list"


def _compared(document: dict[str, Any], members: dict[str, Member]) -> Iterator[str]:
    modes = modes_of(DetailType(type=document["type"], document=document))
    for name, mode in modes.items():
        if name in members and mode != "equal" and members[name].shape not in _COMPARED[mode]:
            yield f"enforce: {name} cannot be compared by {mode}"
    for name, direction in document.get("editable", {}).items():
        mode_, shapes = _DIRECTIONS[direction]
        if name not in members or members[name].shape not in shapes or modes.get(name) != mode_:
            yield f"editable: {name} goes {direction} only when it is a fitting member under enforce.{mode_}"
    for name in document.get("multiline", ()):
        if name not in members or members[name].shape != "text":
            yield f"multiline: {name} is no free text"


def _texts(document: dict[str, Any], members: dict[str, Member]) -> Iterator[str]:
    for where, text, own in _all_texts(document):
        for path, how in PLACE.findall(text):
            if path in own:
                continue
            member = members.get(path)
            if member is None:
                yield f"{where}: there is no {path}"
            elif member.shape not in _FORMATS["|" if "|" in how else how]:
                yield f"{where}: {{{path}}} needs a format that fits a {member.shape}"
            elif where != "facts" and not how and member.shape in _FREE:
                yield f"{where}: {{{path}}} is free text; write {{{path}:quoted}}"
            elif where == "sentence" and not member.needed:
                yield f"{where}: {path} may be absent"


def _all_texts(document: dict[str, Any]) -> Iterator[tuple[str, str, frozenset[str]]]:
    yield "sentence", document["sentence"], frozenset()
    for fact in document["facts"]:
        yield "facts", fact["value"], frozenset()
    for line in document.get("unusual", ()):
        yield "unusual", line["say"], frozenset({"new"} if "first" in line else {"times"})


def _shown(document: dict[str, Any], members: dict[str, Member]) -> Iterator[str]:
    """What is in the request is on the card: each member in a fact that nothing else can take away."""
    multiline = set(document.get("multiline", ()))
    always = set()
    for fact in document["facts"]:
        places = [
            path
            for path, how in PLACE.findall(fact["value"])
            if path in members and members[path].shape in _REVEALED.get("|" if "|" in how else how, ())
        ]
        named = {path for path, _ in PLACE.findall(fact["value"])}
        optional = {path for path in named if path in members and not members[path].needed}
        if "when" not in fact and len(optional) <= 1:
            always |= set(places) & (optional or set(places))
        if multiline & named and fact["value"] not in {f"{{{name}}}" for name in multiline}:
            yield f"facts: {fact['label']}: what has line breaks stands alone"
        for path in fact.get("when", {}):
            if path not in members:
                yield f"facts: {fact['label']}: there is no {path}"
    inside_money = {path for path in members if members.get(path.rpartition(".")[0], _NONE).shape == "money"}
    for path, member in members.items():
        if member.shape not in {"object", "window"} and path not in always | inside_money:
            yield f"facts: {path} is not shown in every request that has it"


_NONE: Final = Member("object", needed=False)


def _conditions(document: dict[str, Any], members: dict[str, Member]) -> Iterator[str]:
    risk = document["risk"]
    for condition in risk["high"] if isinstance(risk, dict) else ():
        verb = next(verb for verb in ("above", "outside", "first", "is", "is_not") if verb in condition)
        member = members.get(condition[verb])
        if member is None:
            yield f"risk: there is no {condition[verb]}"
        elif verb in _VERBS and member.shape not in _VERBS[verb]:
            yield f"risk: {verb} does not go with {condition[verb]}"
        elif verb == "above" and isinstance(condition["than"], dict) != (member.shape == "money"):
            yield f"risk: {condition[verb]} is compared with a number, money with amounts by currency"
    for line in document.get("unusual", ()):
        path = line.get("first", line.get("above"))
        if path not in members:
            yield f"unusual: there is no {path}"
        elif members[path].shape not in _VERBS[verb := "above" if "above" in line else "first"]:
            yield f"unusual: {verb} does not go with {path}"


def _allowance(document: dict[str, Any], members: dict[str, Member]) -> Iterator[str]:
    path = document.get("allowance", {}).get("amount")
    if path is not None and members.get(path, _NONE) != Member("money", needed=True):
        yield f"allowance: {path} is no amount that every request has"


def _examples(kind: DetailType) -> Iterator[str]:
    for number, example in enumerate(kind.document["examples"], 1):
        try:
            (detail,) = _judged(example["details"], kind)
        except InvalidDetails as refused:
            yield f"examples: number {number} is refused: {refused.text}"
            continue
        reading = read(detail, kind)
        wanted, found = (example["sentence"], *example["facts"].items()), (reading.sentence, *_pairs(reading.lines))
        for want in sorted(set(map(str, wanted)) ^ set(map(str, found))):
            yield f"examples: number {number} differs in {want}"
    for case in kind.document.get("refused", ()):
        try:
            _judged(case["details"], kind)
        except InvalidDetails:
            continue
        yield f"refused: {case['why']} is accepted"


def _judged(details: dict[str, Any], kind: DetailType) -> tuple[dict[str, Any], ...]:
    try:
        return judge(json.dumps([details]), {kind.type: kind}, {kind.type})
    except TypeError as error:  # a date that YAML made of an unquoted text
        raise InvalidDetails("it has a value that is not JSON; quote times") from error


def _pairs(lines: Iterable[Any]) -> Iterator[tuple[str, str]]:
    return ((line.label, line.value) for line in lines)
