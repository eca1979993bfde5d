"""A model as text: from its JSON form to the modelling language, exactly as OpenFGA's own tools write it.

Relations, parameters and conditions are sorted, since JSON has no order that lasts; in a model of several modules everything is
sorted by module, file and name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from remit_server.rules.relations.faults import Fault, Faulty
from remit_server.rules.relations.form import form

_JOINED: Final = {"union": " or ", "intersection": " and "}


def written(model: Any, *, origins: bool = False) -> str:
    """The model in the modelling language; `origins` adds the module and the file of each part as comments.

    Raises `ConfigurationError` for what has not the shape of a model, and `Faulty` for what the language cannot say: more than one
    `this` in a relation, or one that stands neither before nor directly beside all else.
    """
    model = form(model)
    types = model["type_definitions"]
    if any(_origin(each) for each in types):
        types = sorted(types, key=lambda each: (*_origin_key(each["metadata"]), each["type"]))
    parts = [f"model\n  schema {model['schema_version']}\n"]
    parts += [_definition(each, origins) for each in types]
    conditions = model.get("conditions", {})
    for name in sorted(conditions, key=lambda name: (*_origin_key(conditions[name].get("metadata")), name)):
        parts.append(_condition(name, conditions[name], origins))
    return "\n".join(parts)


def _definition(value: Mapping[str, Any], origins: bool) -> str:
    metadata = value["metadata"] or {}
    lines = [f"type {value['type']}{_comment(metadata, '') if origins else ''}"]
    if value["relations"]:
        lines.append("  relations")
    about = metadata.get("relations", {})
    for name in sorted(value["relations"], key=lambda name: (*_origin_key(about.get(name)), name)):
        said = _Expression(value["type"], name, about.get(name, {}).get("directly_related_user_types", ()))
        comment = _comment(about.get(name, {}), " extended by:") if origins else ""
        lines.append(f"    define {name}: {said.whole(value['relations'][name])}{comment}")
    return "\n".join(lines) + "\n"


class _Expression:
    """One relation on its way into text."""

    def __init__(self, type_: str, name: str, takes: Iterable[Mapping[str, Any]]) -> None:
        self._place = (type_, name)
        self._takes = ", ".join(map(_restriction, takes))
        self._direct = 0

    def whole(self, rewrite: Mapping[str, Any]) -> str:
        text = self._text(rewrite)
        if self._direct > 1 or (self._direct and not text.lstrip("(").startswith("[")):
            type_, name = self._place
            raise Faulty(
                [Fault("unsupported-nesting", f"the language cannot say `{name}` of `{type_}`", name, self._place)]
            )
        return text

    def _text(self, rewrite: Mapping[str, Any]) -> str:
        ((operator, value),) = rewrite.items()
        match operator:
            case "this":
                self._direct += 1
                return f"[{self._takes}]"
            case "computedUserset":
                return str(value["relation"])
            case "tupleToUserset":
                return f"{value['computedUserset']['relation']} from {value['tupleset']['relation']}"
            case "difference":
                return f"{self._part(value['base'])} but not {self._part(value['subtract'])}"
            case _:
                return _JOINED[operator].join(map(self._part, _direct_first(value["child"])))

    def _part(self, rewrite: Mapping[str, Any]) -> str:
        text = self._text(rewrite)
        return f"({text})" if {"union", "intersection", "difference"} & rewrite.keys() else text


def _direct_first(children: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The order makes no difference to what is joined, but the language wants `this` before the rest."""
    return sorted(children, key=lambda child: "this" not in child)


def _restriction(value: Mapping[str, Any]) -> str:
    wildcard = ":*" if "wildcard" in value else ""
    relation = f"#{value['relation']}" if "relation" in value else ""
    condition = f" with {value['condition']}" if "condition" in value else ""
    return f"{value['type']}{wildcard}{relation}{condition}"


def _condition(name: str, value: Mapping[str, Any], origins: bool) -> str:
    if value["name"] != name:
        text = f"the condition under `{name}` is named `{value['name']}`"
        raise Faulty([Fault("different-nested-condition-name", text, value["name"], ("", name))])
    parameters = ", ".join(f"{each}: {_type(type_)}" for each, type_ in sorted(value["parameters"].items()))
    comment = _comment(value.get("metadata", {}), "") if origins else ""
    return f"condition {name}({parameters}) {{\n  {value['expression']}\n}}{comment}\n"


def _type(value: Mapping[str, Any]) -> str:
    name = value["type_name"].removeprefix("TYPE_NAME_").lower()
    return f"{name}<{_type(value['generic_types'][0])}>" if "generic_types" in value else name


def _origin_key(metadata: Mapping[str, Any] | None) -> tuple[str, str]:
    """What comes from no module comes first."""
    metadata = metadata or {}
    return metadata.get("module", ""), metadata.get("source_info", {}).get("file", "") if "module" in metadata else ""


def _origin(definition: Mapping[str, Any]) -> bool:
    return "module" in (definition["metadata"] or {})


def _comment(metadata: Mapping[str, Any], lead: str) -> str:
    module, file = metadata.get("module", ""), metadata.get("source_info", {}).get("file", "")
    return f" #{lead} module: {module}, file: {file}" if module or file else ""
