"""Tests of relation stores, as OpenFGA's tools write them (`store.fga.yaml`): a model, tuples, and what should follow."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import yaml

from remit_server.errors import ConfigurationError, InvalidRequest
from remit_server.rules.relations import model as models
from remit_server.rules.relations import modules, syntax, tuples
from remit_server.rules.relations.check import Asker, check
from remit_server.rules.relations.facts import Contextual, Steps
from remit_server.rules.relations.faults import Faulty
from remit_server.rules.relations.list_objects import list_objects
from remit_server.rules.relations.list_users import Sought, list_users
from remit_server.rules.relations.model import Model
from remit_server.rules.relations.tuples import RelationTuple

T = TypeVar("T")


class _Loader(yaml.SafeLoader):
    """Times stay the texts that they are: conditions read them themselves."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Tested(NamedTuple):
    passed: int
    failed: tuple[str, ...]
    """What does not hold, a line each."""


def model_in(file: Path, *, harmless: bool = False) -> dict[str, Any]:
    """The model in a file: in the modelling language, or of the modules that an `fga.mod` lists. Raises `ConfigurationError` with
    all that is wrong, a line each; with `harmless` not for what does no harm."""
    text = _text(file)
    if file.suffix != ".mod":
        return _placed(file, lambda: dict(syntax.read(text).model) if harmless else models.parse(text))
    listed = _placed(file, lambda: modules.listing(text))
    files = {one.value: _text(file.parent / one.value) for one in listed.contents}
    return _placed(file, lambda: dict(modules.joined(files).model))


def _placed(file: Path, read: Callable[[], T]) -> T:
    """What `read` gives. Raises `ConfigurationError` with the file and the place of each fault."""
    try:
        return read()
    except Faulty as error:
        lines = []
        for fault in error.faults:
            span = fault.span
            where = file.parent / span.file if span and span.file else file
            lines.append(f"{where}:{span.line}:{span.column}: {fault.text}" if span else f"{where}: {fault.text}")
        raise ConfigurationError("\n".join(lines)) from error


async def tested(file: Path) -> Tested:
    """Runs all tests in a file, in memory. Raises `ConfigurationError` for a file that is none of its kind."""
    whole = _mapping(_yaml(file), str(file))
    written = _model_of(whole, file)
    if written is None:
        raise ConfigurationError(f"{file} has neither `model` nor `model_file`")
    stored = _tuples_of(whole, file)
    passed, failed = 0, []
    for test in whole.get("tests") or ():
        name = str(test.get("name", "a test"))
        world = _World(written, (*stored, *_tuples_of(test, file)))
        for line in world.run(test):
            if line is None:
                passed += 1
            else:
                failed.append(f"{name}: {line}")
    return Tested(passed, tuple(failed))


class _World:
    """A model, and tuples that are there as if each question brought them."""

    def __init__(self, model: Model, stored: Iterable[RelationTuple]) -> None:
        self._model, self._stored = model, Contextual(stored)

    def run(self, test: Mapping[str, Any]) -> Iterator[str | None]:
        """For each assertion None where it holds, else what is otherwise."""
        yield from self._checks(test.get("check") or ())
        yield from self._objects(test.get("list_objects") or ())
        yield from self._users(test.get("list_users") or ())

    def _checks(self, asked: Iterable[Mapping[str, Any]]) -> Iterator[str | None]:
        for one in asked:
            subjects, objects = _each(one, "user"), _each(one, "object")
            for subject, object_ in product(subjects, objects):
                for relation, expected in _assertions(one):
                    said = self._said(subject, relation, object_, one)
                    yield None if said == expected else f"{subject} {relation} {object_} is {_shown(said)}"

    def _said(self, subject: str, relation: str, object_: str, one: Mapping[str, Any]) -> bool | str:
        try:
            tuples.question(self._model, RelationTuple(object_, relation, subject))
            asker = Asker(subject, self._stored, _context(one))
            [verdict] = answered(check(self._model, asker, [(object_, relation)]))
        except InvalidRequest as error:
            return error.text
        return verdict if isinstance(verdict, bool) else verdict.text

    def _objects(self, asked: Iterable[Mapping[str, Any]]) -> Iterator[str | None]:
        for one in asked:
            for relation, expected in _assertions(one):
                asker, subject = Asker(str(one.get("user")), self._stored, _context(one)), one.get("user")
                found = self._listed(list_objects(self._model, asker, str(one.get("type")), relation))
                yield _same(found, expected or (), f"{subject} {relation} {one.get('type')}")

    def _users(self, asked: Iterable[Mapping[str, Any]]) -> Iterator[str | None]:
        for one in asked:
            [wanted] = one.get("user_filter") or [{}]
            kind = "#".join(str(wanted[name]) for name in ("type", "relation") if wanted.get(name))
            for relation, expected in _assertions(one):
                sought = Sought(str(one.get("object")), relation, kind, self._stored, _context(one))
                found = self._listed(list_users(self._model, sought))
                yield _same(found, (expected or {}).get("users") or (), f"{kind} {relation} {one.get('object')}")

    @staticmethod
    def _listed(steps: Steps[Any]) -> list[str] | str:
        try:
            return list(answered(steps).found)
        except InvalidRequest as error:
            return error.text


def answered(steps: Steps[T]) -> T:
    """The answer of reasoning that needs nothing from storage."""
    try:
        next(steps)
        while True:
            steps.send({})
    except StopIteration as end:
        answer: T = end.value
        return answer


def _same(found: list[str] | str, expected: Iterable[str], asked: str) -> str | None:
    if isinstance(found, str):
        return f"{asked}: {found}"
    return None if set(found) == set(expected) else f"{asked} is {', '.join(sorted(found)) or 'nothing'}"


def _shown(said: bool | str) -> str:
    return {True: "true", False: "false"}[said] if isinstance(said, bool) else f"neither: {said}"


def _each(one: Mapping[str, Any], name: str) -> list[str]:
    many = one.get(f"{name}s")
    return [str(each) for each in many] if isinstance(many, list) else [str(one.get(name))]


def _assertions(one: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return _mapping(one.get("assertions") or {}, "assertions").items()


def _context(one: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(one.get("context") or {}, "context")


def _model_of(whole: Mapping[str, Any], file: Path) -> Model | None:
    if named := whole.get("model_file"):
        return models.compiled(model_in(file.parent / str(named), harmless=True))
    text = whole.get("model")
    return models.compiled(_placed(file, lambda: syntax.read(str(text))).model) if text else None


def _tuples_of(holder: Mapping[str, Any], file: Path) -> tuple[RelationTuple, ...]:
    """Those written in it, and those of the files that it names."""
    named = [holder["tuple_file"]] if holder.get("tuple_file") else holder.get("tuple_files") or []
    rows = list(holder.get("tuples") or ())
    for name in named:
        rows += _rows(file.parent / str(name))
    return tuple(tuples.parse_tuple(row) for row in rows)


def _rows(file: Path) -> list[Any]:
    if file.suffix != ".csv":
        found = _yaml(file)
        return list(found) if isinstance(found, list) else []
    return [_row(row) for row in csv.DictReader(_text(file).splitlines())]


def _row(row: Mapping[str, str]) -> dict[str, Any]:
    """A line of a CSV file of tuples, whose columns OpenFGA's command line names."""
    user = f"{row['user_type']}:{row['user_id']}" + (f"#{row['user_relation']}" if row.get("user_relation") else "")
    found: dict[str, Any] = {
        "user": user, "relation": row["relation"], "object": f"{row['object_type']}:{row['object_id']}"
    }  # fmt: skip
    if name := row.get("condition_name"):
        found["condition"] = {"name": name, "context": msgspec.json.decode(row.get("condition_context") or "{}")}
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from error


def _yaml(file: Path) -> Any:
    try:
        return yaml.load(_text(file), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{file} is not YAML: {error}") from error


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{name} is not a mapping")
    return value
