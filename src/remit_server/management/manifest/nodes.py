"""A YAML document as typed values, each with its place: `file:line:column`.

The document is composed, not loaded: every node keeps where it stands, keys that are written twice are seen, and a value
is read by the type that is wanted there, so that `no` is not a country that became false.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import yaml
from msgspec import NODEFAULT

from remit_server.errors import ConfigurationError
from remit_server.management.manifest.declared import Details, File, Secret, Text

Path_ = tuple[str | int, ...]
_TAGS = {"str": "a string", "int": "a number", "float": "a number", "bool": "true or false", "null": "nothing",
         "timestamp": "a date", "map": "a mapping", "seq": "a list"}  # fmt: skip
_DEEPEST = 32
_MOST = 100_000  # values of free form: with aliases, ten lines of YAML stand for a thousand million


class Bad(Exception):
    """A value that could not be read."""


class Document:
    """One YAML file that is being read. What is wrong is noted with its place, so that one run tells everything."""

    def __init__(
        self, path: Path, environ: Mapping[str, str], instead: Mapping[Path_, type[msgspec.Struct]] | None = None
    ) -> None:
        """`environ` is where `{env: NAME}` looks; `instead` names types that are known at run time only, by their place."""
        self.path = path
        self._environ = environ
        self._instead = instead or {}
        self._problems: list[tuple[int, int, str]] = []
        """Line, column, words."""
        self._values = 0
        self._places: dict[Path_, yaml.Mark] = {}

    def compose(self) -> yaml.Node | None:
        text = read_text(self.path)
        try:
            return yaml.compose(text, Loader=yaml.SafeLoader)
        except RecursionError as error:
            raise ConfigurationError("nested too deeply", where=str(self.path)) from error
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise ConfigurationError(f"not YAML: {error.problem}", where=self._spelled(mark)) from error
        except yaml.YAMLError as error:
            raise ConfigurationError(f"not YAML: {error}", where=str(self.path)) from error

    def _spelled(self, mark: yaml.Mark | None) -> str:
        line, column = _place(mark)
        return f"{self.path}:{line}:{column}"

    def wrong(self, at: Path_ | yaml.Node, text: str) -> Bad:
        """Note a problem, at a node or at the nearest place known for a path of keys."""
        if isinstance(at, tuple):
            while at not in self._places and at:
                at = at[:-1]
            mark = self._places.get(at)
        else:
            mark = at.start_mark
        self._problems.append((*_place(mark), text))
        return Bad()

    def settle(self) -> None:
        """Raises `ConfigurationError` with all that was wrong, a line each."""
        if self._problems:
            raise ConfigurationError(self.problems())

    def problems(self) -> str:
        """What was wrong so far, a line each, in the order of the file."""
        return "\n".join(f"{self.path}:{line}:{column}: {text}" for line, column, text in sorted(set(self._problems)))

    # by type

    def read(self, node: yaml.Node, wanted: Any, path: Path_ = ()) -> Any:  # noqa: PLR0911 - a line a type
        """The node as a value of the wanted type. Raises `Bad` after noting why not."""
        self._places[path] = node.start_mark
        if wanted is Secret:
            return self._secret(node)
        if wanted is Text:
            return self._text(node)
        if wanted is Details:
            return self._details(node)
        if wanted is File:
            name = self._scalar(node, str)
            return File(name, self.file(name, node))
        if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
            return self._struct(node, wanted, path)
        origin = get_origin(wanted)
        if origin in {Union, types.UnionType}:
            return self._optional(node, wanted, path)
        if origin is tuple:
            return self._tuple(node, get_args(wanted)[0], path)
        if origin is dict:
            return self._dict(node, get_args(wanted)[1], path)
        if origin is Literal:
            return self._literal(node, get_args(wanted))
        if wanted is Any:
            return self._anything(node, 0)
        return self._scalar(node, wanted)

    def members(self, node: yaml.Node, path: Path_ | None = None) -> dict[str, yaml.Node]:
        """The values of a mapping by key; keys are strings and stand there once."""
        if not isinstance(node, yaml.MappingNode):
            raise self.wrong(node, f"a mapping is wanted here, not {shown(node)}")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.wrong(key, "a key must be a string")
            if key.value in found:
                raise self.wrong(key, f"the key {key.value!r} stands here twice")
            found[key.value] = value
            if path is not None:
                self._places[(*path, key.value)] = key.start_mark
        return found

    def known(self, node: yaml.Node, names: list[str]) -> None:
        """Note every key of a mapping that is not one of the names."""
        if isinstance(node, yaml.MappingNode):
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value not in names:
                    self.wrong(key, f"{key.value!r} is not known here" + nearest(key.value, names))

    def _struct(self, node: yaml.Node, wanted: type[msgspec.Struct], path: Path_) -> Any:
        members = self.members(node, path)
        hints = get_type_hints(wanted)
        fields = {field.encode_name: field for field in msgspec.structs.fields(wanted)}
        before = len(self._problems)
        self.known(node, list(fields))
        values: dict[str, Any] = {}
        for key, field in fields.items():
            if key in members:
                try:
                    values[field.name] = self.read(
                        members[key], self._instead.get((*path, key), hints[field.name]), (*path, key)
                    )
                except Bad:
                    continue
            elif field.default is NODEFAULT and field.default_factory is NODEFAULT:
                self.wrong(node, f"{key!r} is missing")
        if len(self._problems) > before:
            raise Bad
        return wanted(**values)

    def _optional(self, node: yaml.Node, wanted: Any, path: Path_) -> Any:
        """None, or one of several shapes: the first that what stands there has, or else the first."""
        kinds = [kind for kind in get_args(wanted) if kind is not types.NoneType]
        if _tag(node) == "null" and len(kinds) < len(get_args(wanted)):
            return None
        shape = tuple if isinstance(node, yaml.SequenceNode) else dict if isinstance(node, yaml.MappingNode) else None
        return self.read(node, next((kind for kind in kinds if get_origin(kind) is shape), kinds[0]), path)

    def _tuple(self, node: yaml.Node, item: Any, path: Path_) -> tuple[Any, ...]:
        if not isinstance(node, yaml.SequenceNode):
            raise self.wrong(node, f"a list is wanted here, not {shown(node)}")
        return tuple(self._each(dict(enumerate(node.value)), item, path).values())

    def _dict(self, node: yaml.Node, value: Any, path: Path_) -> dict[str, Any]:
        values = self._each(self.members(node, path), value, path)
        self.members(node, path)  # where a name that we do not know stands is its key, not what it is given
        return values

    def _each(self, nodes: Mapping[Any, yaml.Node], wanted: Any, path: Path_) -> dict[Any, Any]:
        before, values = len(self._problems), {}
        for key, child in nodes.items():
            try:
                values[key] = self.read(child, wanted, (*path, key))
            except Bad:
                continue
        if len(self._problems) > before:
            raise Bad
        return values

    def _literal(self, node: yaml.Node, allowed: tuple[Any, ...]) -> Any:
        value = self._scalar(node, type(allowed[0]))
        if value not in allowed:
            words = [str(each) for each in allowed]
            raise self.wrong(node, f"{value!r} is not one of {', '.join(words)}" + alike(str(value), words))
        return value

    def _scalar(self, node: yaml.Node, wanted: Any) -> Any:
        tag = _tag(node)
        if wanted is str and tag in {"str", "timestamp"}:
            return node.value
        if wanted is int and tag == "int":
            try:
                return int(node.value)
            except ValueError as error:
                raise self.wrong(node, f"{node.value!r} is not a decimal number") from error
        if wanted is bool and tag == "bool" and node.value.lower() in {"true", "false"}:
            return node.value.lower() == "true"
        name = {str: "a string", int: "a number", bool: "true or false"}[wanted]
        hint = "; put it in quotes" if wanted is str and isinstance(node, yaml.ScalarNode) and node.value else ""
        raise self.wrong(node, f"{name} is wanted here, not {shown(node)}{hint}")

    def _anything(self, node: yaml.Node, depth: int) -> Any:
        if depth > _DEEPEST:
            raise self.wrong(node, "nested too deeply")
        self._values += 1
        if self._values > _MOST:
            raise self.wrong(node, "too much")
        if isinstance(node, yaml.SequenceNode):
            return [self._anything(child, depth + 1) for child in node.value]
        if isinstance(node, yaml.MappingNode):
            return {key: self._anything(child, depth + 1) for key, child in self.members(node).items()}
        match _tag(node):
            case "int" | "bool" as tag:
                return self._scalar(node, {"int": int, "bool": bool}[tag])
            case "null":
                return None
            case "float":
                return self._decimal(node)
        return node.value

    def _decimal(self, node: yaml.Node) -> float:
        """YAML also calls `.inf` and `1:30.5` floats."""
        try:
            return float(node.value)
        except ValueError as error:
            raise self.wrong(node, f"{node.value!r} is not a decimal number") from error

    # values that stand elsewhere

    def _secret(self, node: yaml.Node) -> Secret:
        if isinstance(node, yaml.MappingNode):
            return Secret(self._elsewhere(node, ("env", "file")))
        value = self._scalar(node, str)
        if not value:
            raise self.wrong(node, "a secret must not be empty")
        return Secret(value, plain=True)

    def _text(self, node: yaml.Node) -> Text:
        if isinstance(node, yaml.MappingNode):
            return Text(self._elsewhere(node, ("file",)))
        return Text(self._scalar(node, str))

    def _details(self, node: yaml.Node) -> Details:
        members = self.members(node)
        if set(members) != {"file"}:
            return Details(self._anything(node, 0))
        inner = Document(self.path.parent / self._scalar(members["file"], str), {})
        try:
            root = inner.compose()
            document = inner.read(root, dict[str, Any]) if root else {}
            inner.settle()
        except (Bad, ConfigurationError) as error:
            raise self.wrong(members["file"], str(error) or inner.problems()) from error
        return Details(document)

    def _elsewhere(self, node: yaml.MappingNode, kinds: tuple[str, ...]) -> str:
        spelled = " or ".join("{env: NAME}" if kind == "env" else "{file: PATH}" for kind in kinds)
        if len(node.value) != 1 or node.value[0][0].value not in kinds:
            raise self.wrong(node, f"write a string, or {spelled}")
        key, value = node.value[0]
        name = self._scalar(value, str)
        if key.value == "env":
            if not self._environ.get(name):
                raise self.wrong(value, f"the environment variable {name} is not set")
            return self._environ[name]
        return self.file(name, value)

    def file(self, name: str, at: yaml.Node) -> str:
        """A file's text, the path relative to this document, without the line end that editors add."""
        try:
            text = read_text(self.path.parent / name)
        except ConfigurationError as error:
            raise self.wrong(at, error.text) from error
        if not text.strip():
            raise self.wrong(at, f"the file {name} is empty")
        return text.rstrip("\r\n")


def read_text(path: Path) -> str:
    """A UTF-8 file. Raises `ConfigurationError`."""
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"the file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"the file {path} is not UTF-8") from error


def nearest(word: str, known: list[str]) -> str:
    """The end of a sentence that helps with a typing mistake."""
    if not known:
        return "; there is none yet"
    return alike(word, known) or (f"; known are {', '.join(known)}" if len(known) <= 12 else "")


def alike(word: str, known: list[str]) -> str:
    """The same, where a list would be too much or was said already."""
    close = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _place(mark: yaml.Mark | None) -> tuple[int, int]:
    """Line and column as people count them."""
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _tag(node: yaml.Node) -> str:
    return str(node.tag).rpartition(":")[2]


def shown(node: yaml.Node) -> str:
    """What kind of thing stands there; never the thing, which may be a secret."""
    return _TAGS.get(_tag(node), "something else")
