"""What a model cannot mean: names without a definition, relations that nobody can have, and what nobody needs.

Each stage is looked at only where the one before found nothing: what is missing would be found again as unreachable.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from remit_server.rules.relations import entries
from remit_server.rules.relations.entries import Types
from remit_server.rules.relations.faults import Fault
from remit_server.rules.relations.rewrites import Computed, Definition, Direct, From, Relation, leaves, parts

SCHEMAS: Final = ("1.1", "1.2")
MOST: Final = 100
"""Faults of one stage that are told: who has more has made one mistake a hundred times."""
_RESERVED: Final = frozenset({"self", "this"})
_TYPE: Final = re.compile(r"[^:#@*\s]{1,254}")
_RELATION: Final = re.compile(r"[^:#@*\s]{1,50}")


def faults(form: Mapping[str, Any], definitions: Sequence[Definition]) -> list[Fault]:
    """What is wrong with a model, in its JSON form and as it was understood."""
    found = [*_some(names(definitions)), *_schema(form["schema_version"])]
    if not found:
        types, conditions = Types(definitions), form.get("conditions", {})
        found = _some(_undefined(types, definitions, conditions)) or _some(_repeated(definitions))
        if all(fault.harmless for fault in found):
            found += _some(_unreachable(types))
        found += _some(_conditions(definitions, conditions))
    return [*found, *_mingled(form)]


def _some(faults: Iterable[Fault]) -> list[Fault]:
    return list(islice(faults, MOST))


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


def _undefined(types: Types, definitions: Sequence[Definition], conditions: Mapping[str, Any]) -> Iterator[Fault]:
    for type_, relations in definitions:
        for name, relation in relations.items():
            yield from _takes(types, conditions, (type_, name), relation)
            for leaf in leaves(relation.expression):
                match leaf:
                    case Computed(other) if other not in relations:
                        text = f"`{other}` is not a relation of `{type_}`"
                        yield Fault("missing-definition", text, other, (type_, name, other))
                    case From():
                        yield from _source(types, (type_, name), leaf)


def _takes(types: Types, conditions: Mapping[str, Any], place: tuple[str, str], relation: Relation) -> Iterator[Fault]:
    if any(isinstance(leaf, Direct) for leaf in leaves(relation.expression)) != bool(relation.takes):
        text = "a direct relation lists the types that it takes, and no other does"
        yield Fault("assignable-relation-must-have-type", text, place[1], place)
    for taken in relation.takes:
        if taken.type not in types.relations:
            text = f"the type `{taken.type}` is not defined"
            yield Fault("invalid-type", text, taken.type, (*place, f"[{taken.type}"))
        if taken.condition and taken.condition not in conditions:
            text = f"the condition `{taken.condition}` is not defined"
            yield Fault("condition-not-defined", text, taken.condition, (*place, f"with {taken.condition}"))
        if taken.relation and taken.relation not in types.relations.get(taken.type, {}):
            text = f"`{taken.relation}` is not a relation of `{taken.type}`"
            yield Fault("invalid-relation-type", text, taken.kind, (*place, f"[{taken.kind}"))


def _source(types: Types, place: tuple[str, str], leaf: From) -> Iterator[Fault]:
    type_, written = place[0], f"{leaf.relation} from {leaf.source}"
    if leaf.source not in types.relations[type_]:
        text = f"`{leaf.source}` is not a relation of `{type_}`"
        yield Fault("invalid-relation-type", text, written, (*place, written))
    elif types.parents(type_, leaf.source) is None:
        text = f"`from` follows direct relations to plain types only, and `{leaf.source}` is not one"
        yield Fault("tupleuserset-not-direct", text, leaf.source, (*place, f"from {leaf.source}"))
    elif not types.reached(type_, leaf):
        for taken in types.relations[type_][leaf.source].takes:
            text = f"`{leaf.relation}` is not a relation of `{taken.type}`, which `{leaf.source}` leads to"
            yield Fault("invalid-relation-on-tupleset", text, written, (*place, written))


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


def _unreachable(types: Types) -> Iterator[Fault]:
    possible = entries.entered(types)
    for type_, relations in types.relations.items():
        looping = entries.looping(relations)
        for name in relations:
            if (type_, name) not in possible:
                text = f"nobody can ever have `{name}`: no way into it leads to a type"
                yield Fault("relation-no-entry-point", text, name, (type_, name))
            elif name in looping:  # OpenFGA's server refuses this too
                text = f"`{name}` follows from itself"
                yield Fault("relation-no-entry-point", text, name, (type_, name))


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
