"""Models in several files: each is a module, `fga.mod` lists them, and together they are one model of schema 1.2."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import yaml

from remit_server.errors import ConfigurationError
from remit_server.rules.relations import meaning, syntax
from remit_server.rules.relations.faults import Fault, Faulty, Place, Span, placed
from remit_server.rules.relations.form import form
from remit_server.rules.relations.model import definitions
from remit_server.rules.relations.syntax import Parsed

SCHEMA: Final = "1.2"
_START: Final = Span(1, 1, 1)


class Written(NamedTuple):
    """A text of `fga.mod`, and where it stands."""

    value: str
    span: Span


class Listing(NamedTuple):
    schema: Written
    contents: tuple[Written, ...]
    """The paths of the modules, relative to the file that lists them."""


def listing(text: str) -> Listing:
    """What an `fga.mod` says. Raises `Faulty`, or `ConfigurationError` for what is no YAML.

    No path leads out of the folder of the listing, however it is written.
    """
    if len(text) > syntax.LARGEST:
        raise ConfigurationError("this fga.mod is too large")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError(f"fga.mod is not YAML: {error}") from error
    members = {key.value: value for key, value in root.value} if isinstance(root, yaml.MappingNode) else {}
    schema, contents = (members.get(name) for name in Listing._fields)
    if found := [*_schema_faults(schema), *_contents_faults(contents)]:
        raise Faulty(found)
    return Listing(_written(schema), tuple(map(_written, contents.value if contents else ())))


def _schema_faults(node: yaml.Node | None) -> Iterator[Fault]:
    if node is None:
        yield _fault("fga.mod says `schema: '1.2'`", "schema", _START)
    elif not _is_text(node):
        yield _fault("the schema is a text: put it in quotes", str(node.value), _span(node))
    elif node.value != SCHEMA:
        yield _fault("modules are of schema 1.2", node.value, _span(node))


def _contents_faults(node: yaml.Node | None) -> Iterator[Fault]:
    if node is None:
        yield _fault("fga.mod lists its modules under `contents`", "contents", _START)
    elif not isinstance(node, yaml.SequenceNode):
        yield _fault("the contents are a list of files", str(node.value), _span(node))
    else:
        for item in node.value:
            if not _is_text(item):
                yield _fault("a file is a text", str(item.value), _span(item))
            elif (path := _path(item.value)).startswith("/") or ".." in path.split("/") or ":" in path or "\0" in path:
                yield _fault("a file stands in the folder of fga.mod or below it", item.value, _span(item))
            elif not path.endswith(".fga"):
                yield _fault("the name of a module's file ends with .fga", item.value, _span(item))


def _path(value: str) -> str:
    return unquote(value).replace("\\", "/")


def _written(node: Any) -> Written:
    return Written(_path(node.value), _span(node))


def _is_text(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:str"


def _span(node: yaml.Node) -> Span:
    return Span(node.start_mark.line + 1, node.start_mark.column + 1, node.end_mark.column + 1)


def _fault(text: str, symbol: str, span: Span) -> Fault:
    return Fault("fga-mod", text, symbol, span=span)


def joined(files: Mapping[str, str], schema: str = SCHEMA) -> Parsed:
    """One model of several modules, by the names of their files. Raises `Faulty`: all faults, each with its file."""
    if sum(map(len, files.values())) > syntax.LARGEST:
        raise ConfigurationError(f"a model has at most {syntax.LARGEST // 1024} KiB")
    joining = _Joining()
    modules = {file: module for file, text in files.items() if (module := joining.read(file, text))}
    for file, module in modules.items():
        joining.extend(file, module)
    model: dict[str, Any] = {"schema_version": schema, "type_definitions": list(joining.types.values())}
    if joining.conditions:
        model["conditions"] = joining.conditions
    found = joining.faults
    if found:  # what is missing may stand in what could not be joined, so only names are judged
        found += placed(meaning.names(definitions(form(model))), joining.places)
    else:
        found = placed(meaning.faults(shaped := form(model), definitions(shaped)), joining.places)
    if found:
        raise Faulty(found)
    return Parsed(model, joining.places)


class _Joining:
    def __init__(self) -> None:
        self.types: dict[str, dict[str, Any]] = {}
        self.conditions: dict[str, dict[str, Any]] = {}
        self.places: dict[Place, Span] = {}
        self.faults: list[Fault] = []
        self._taken: dict[str, set[Place]] = defaultdict(set)

    def read(self, file: str, text: str) -> Parsed | None:
        """Takes what a file defines. None where it is no module."""
        try:
            module = syntax.read(text)
        except Faulty as error:
            self.faults += [each._replace(span=each.span and each.span._replace(file=file)) for each in error.faults]
            return None
        if not module.module:
            self.faults.append(Fault("not-a-module", "this file is not a module", span=_START._replace(file=file)))
            return None
        origin = {"module": module.module, "source_info": {"file": file}}
        for definition in module.model.get("type_definitions", ()):
            type_ = definition["type"]
            if type_ in self.types:
                self._again(module, file, type_, (type_,))
            else:
                self.types[type_] = definition | {"metadata": origin | (definition["metadata"] or {})}
                self._taken[file].add((type_,))
        for name, condition in module.model.get("conditions", {}).items():
            if name in self.conditions:
                self._again(module, file, name, ("", name))
            else:
                self.conditions[name] = condition | {"metadata": origin}
                self._taken[file].add(("", name))
        return module

    def extend(self, file: str, module: Parsed) -> None:
        """Adds what a module says of types of others."""
        for extension in module.extensions:
            type_ = extension["type"]
            extended = self.types.get(type_)
            if extended is None:
                text = f"there is no type `{type_}` to extend"
                self._fault(module, file, text, type_, ("", "extend", type_))
                continue
            extended["metadata"].setdefault("relations", {})
            for name, rewrite in extension["relations"].items():
                if name in extended["relations"]:
                    self._again(module, file, name, (type_, name))
                    continue
                about = extension["metadata"]["relations"][name] | {"source_info": {"file": file}}
                extended["metadata"]["relations"][name] = about
                extended["relations"][name] = rewrite
                self._taken[file].add((type_, name))
        taken = self._taken[file]
        for place, span in module.places.items():
            if place[:1] in taken or place[:2] in taken:
                self.places[place] = span._replace(file=file)

    def _again(self, module: Parsed, file: str, name: str, place: Place) -> None:
        self._fault(module, file, f"`{name}` is defined elsewhere already", name, place)

    def _fault(self, module: Parsed, file: str, text: str, name: str, place: Place) -> None:
        span = module.places[place]._replace(file=file)
        self.faults.append(Fault("modules", text, name, place, span))
