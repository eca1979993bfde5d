"""What a model cannot mean: names without a definition, relations that nobody can have, and what nobody needs.

Each stage is looked at only where the one before found nothing: what is missing would be found again as unreachable.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from remit_server.rules.relations.faults import Fault
from remit_server.rules.relations.rewrites import (
    AllOf,
    AnyOf,
    ButNot,
    Computed,
    Definition,
    Direct,
    Expression,
    From,
    Relation,
    leaves,
    parts,
)

SCHEMAS: Final = ("1.1", "1.2")
_RESERVED: Final = frozenset({"self", "this"})
_TYPE: Final = re.compile(r"[^:#@*\s]{1,254}")
_RELATION: Final = re.compile(r"[^:#@*\s]{1,50}")

Node = tuple[str, str]


def faults(form: Mapping[str, Any], definitions: Sequence[Definition]) -> list[Fault]:
    """What is wrong with a model, in its JSON form and as it was understood."""
    found = [*names(definitions), *_schema(form["schema_version"])]
    if not found:
        conditions = form.get("conditions", {})
        found = list(_undefined(definitions, conditions))
        found = found or list(_repeated(definitions))
        if all(fault.harmless for fault in found):
            found += _unreachable(definitions)
        found += _conditions(definitions, conditions)
    return [*found, *_mingled(form)]


def names(definitions: Iterable[Definition]) -> Iterator[Fault]:
    for type_, relations in definitions:
        if type_ in _RESERVED:
            yield Fault("reserved-type-keywords", "a type cannot be named `self` or `this`", type_, (type_,))
        if not _TYPE.fullmatch(type_):
            text = "a type has a name of at most 254 characters, none of them white space or one of `:#@*`"
            yield Fault("invalid-name", text, type_, (type_,))
        for name in relations:
            place = (type_, name)
            if name in _RESERVED:
                yield Fault("reserved-relation-keywords", "a relation cannot be named `self` or `this`", name, place)
            if not _RELATION.fullmatch(name):
                text = "a relation has a name of at most 50 characters, none of them white space or one of `:#@*`"
                yield Fault("invalid-name", text, name, place)


def _schema(version: str) -> Iterator[Fault]:
    if not version:
        yield Fault("schema-version-required", "a model says which schema it follows", "", ("",))
    elif version not in SCHEMAS:
        yield Fault("invalid-schema", f"the schema {version} is not supported: write 1.1 or 1.2", version, ("",))


def _undefined(definitions: Sequence[Definition], conditions: Mapping[str, Any]) -> Iterator[Fault]:
    types = dict(reversed(definitions))
    for type_, relations in definitions:
        known = types | {type_: relations}
        for name, relation in relations.items():
            yield from _takes(known, conditions, type_, name)
            for leaf in leaves(relation.expression):
                match leaf:
                    case Computed(other) if other not in relations:
                        text = f"`{other}` is not a relation of `{type_}`"
                        yield Fault("missing-definition", text, other, (type_, name, other))
                    case From():
                        yield from _source(known, type_, name, leaf)


def _takes(
    types: Mapping[str, Mapping[str, Relation]], conditions: Mapping[str, Any], type_: str, name: str
) -> Iterator[Fault]:
    relation = types[type_][name]
    if any(isinstance(leaf, Direct) for leaf in leaves(relation.expression)) != bool(relation.takes):
        text = "a direct relation lists the types that it takes, and no other does"
        yield Fault("assignable-relation-must-have-type", text, name, (type_, name))
    for taken in relation.takes:
        if taken.type not in types:
            text = f"the type `{taken.type}` is not defined"
            yield Fault("invalid-type", text, taken.type, (type_, name, f"[{taken.type}"))
        if taken.condition and taken.condition not in conditions:
            text = f"the condition `{taken.condition}` is not defined"
            yield Fault("condition-not-defined", text, taken.condition, (type_, name, f"with {taken.condition}"))
        if taken.relation and taken.relation not in types.get(taken.type, {}):
            text = f"`{taken.relation}` is not a relation of `{taken.type}`"
            yield Fault("invalid-relation-type", text, taken.kind, (type_, name, f"[{taken.kind}"))


def _source(types: Mapping[str, Mapping[str, Relation]], type_: str, name: str, leaf: From) -> Iterator[Fault]:
    written, source = f"{leaf.relation} from {leaf.source}", types[type_].get(leaf.source)
    if source is None:
        text = f"`{leaf.source}` is not a relation of `{type_}`"
        yield Fault("invalid-relation-type", text, written, (type_, name, written))
    elif source.expression != Direct() or any(taken.relation or taken.wildcard for taken in source.takes):
        text = f"`from` follows direct relations to plain types only, and `{leaf.source}` is not one"
        yield Fault("tupleuserset-not-direct", text, leaf.source, (type_, name, f"from {leaf.source}"))
    elif not any(leaf.relation in types.get(taken.type, {}) for taken in source.takes):
        for taken in source.takes:
            text = f"`{leaf.relation}` is not a relation of `{taken.type}`, which `{leaf.source}` leads to"
            yield Fault("invalid-relation-on-tupleset", text, written, (type_, name, written))


def _repeated(definitions: Iterable[Definition]) -> Iterator[Fault]:
    seen: set[str] = set()
    for type_, relations in definitions:
        if type_ in seen:
            yield Fault("duplicated-error", f"the type `{type_}` is defined twice", type_, (type_,))
        seen.add(type_)
        for name, relation in relations.items():
            listed = [str(taken) for taken in relation.takes]
            joined = [_written(part) for part in parts(relation.expression) if isinstance(part, Computed | From)]
            for mark, words in ("[", listed), ("", joined):
                for word, times in Counter(words).items():
                    if times > 1:
                        text = f"`{word}` stands here twice"
                        yield Fault("duplicated-error", text, word, (type_, name, mark + word), harmless=True)


def _written(part: Computed | From) -> str:
    return part.relation if isinstance(part, Computed) else f"{part.relation} from {part.source}"


def _unreachable(definitions: Iterable[Definition]) -> Iterator[Fault]:
    types = dict(definitions)
    entered = _entered(types)
    for type_, relations in types.items():
        looping = _looping(relations)
        for name in relations:
            if (type_, name) not in entered:
                text = f"nobody can ever have `{name}`: no way into it leads to a type"
                yield Fault("relation-no-entry-point", text, name, (type_, name))
            elif name in looping:  # a server would take turns for ever; OpenFGA's refuses it too
                text = f"`{name}` follows from itself"
                yield Fault("relation-no-entry-point", text, name, (type_, name))


def _entered(types: Mapping[str, Mapping[str, Relation]]) -> set[Node]:
    """The relations that somebody can have, by the least fixpoint. What is subtracted must be possible too."""
    waiting = [(type_, name) for type_, relations in types.items() for name in relations]
    followers: dict[Node, list[Node]] = defaultdict(list)
    for type_, name in waiting:
        for node in _ways_in(types, type_, types[type_][name]):
            followers[node].append((type_, name))
    entered: set[Node] = set()
    while waiting:
        node = waiting.pop()
        relation = types[node[0]][node[1]]
        if node not in entered and _enterable(types, node[0], relation, relation.expression, entered.__contains__):
            entered.add(node)
            waiting += followers[node]
    return entered


def _ways_in(types: Mapping[str, Mapping[str, Relation]], type_: str, relation: Relation) -> Iterator[Node]:
    for leaf in leaves(relation.expression):
        match leaf:
            case Direct():
                yield from ((taken.type, taken.relation) for taken in relation.takes if taken.relation)
            case Computed(name):
                yield type_, name
            case From(name, source):
                yield from ((taken.type, name) for taken in types[type_][source].takes)


def _enterable(
    types: Mapping[str, Mapping[str, Relation]], type_: str, relation: Relation, expression: Expression,
    entered: Callable[[Node], bool],
) -> bool:  # fmt: skip
    match expression:
        case Direct():
            return any(not taken.relation or entered((taken.type, taken.relation)) for taken in relation.takes)
        case Computed(name):
            return entered((type_, name))
        case From(name, source):
            return any(entered((taken.type, name)) for taken in types[type_][source].takes)
        case AnyOf(joined):
            return any(_enterable(types, type_, relation, part, entered) for part in joined)
        case AllOf() | ButNot():
            return all(_enterable(types, type_, relation, part, entered) for part in parts(expression))


def _looping(relations: Mapping[str, Relation]) -> set[str]:
    """The relations of a type that lead back to themselves without any tuple."""
    onward = {
        name: {leaf.relation for leaf in leaves(relation.expression) if isinstance(leaf, Computed)}
        for name, relation in relations.items()
    }
    back: dict[str, set[str]] = {name: set() for name in onward}
    for name, others in onward.items():
        for other in others:
            back[other].add(name)
    return set(relations).difference(_peeled(onward), _peeled(back))


def _peeled(graph: Mapping[str, set[str]]) -> Iterator[str]:
    """What leads to no cycle."""
    sorter = TopologicalSorter(graph)
    with suppress(CycleError):
        sorter.prepare()
    while ready := sorter.get_ready():
        sorter.done(*ready)
        yield from ready


def _conditions(definitions: Iterable[Definition], conditions: Mapping[str, Any]) -> Iterator[Fault]:
    used = {taken.condition for _, relations in definitions for each in relations.values() for taken in each.takes}
    for name, condition in conditions.items():
        if condition["name"] != name:
            text = f"the condition under `{name}` is named `{condition['name']}`"
            yield Fault("different-nested-condition-name", text, condition["name"], ("", name))
        if name not in used:
            text = f"the condition `{name}` is not used"
            yield Fault("condition-not-used", text, name, ("", name), harmless=True)


def _mingled(form: Mapping[str, Any]) -> Iterator[Fault]:
    """Files with several modules: such a model cannot be written as modules again."""
    origins = [each["metadata"] or {} for each in form["type_definitions"]]
    origins = [each for origin in origins for each in (origin, *origin.get("relations", {}).values())]
    origins += [each.get("metadata", {}) for each in form.get("conditions", {}).values()]
    modules: dict[str, dict[str, None]] = defaultdict(dict)
    for origin in origins:
        if "module" in origin and "source_info" in origin:
            modules[origin["source_info"]["file"]][origin["module"]] = None
    for file, names in modules.items():
        if len(names) > 1:
            text = f"the file {file} would hold several modules: {', '.join(names)}"
            yield Fault("multiple-modules-in-file", text, file, harmless=True)
