"""Tests of relation stores, as OpenFGA's tools write them (`store.fga.yaml`): a model, tuples, and what should follow."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
import yaml
from msgspec import Meta, Struct

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


class _Test(Struct):
    """What should follow, with tuples of its own."""

    name: str = "a test"
    tuples: list[dict[str, Any]] | None = None
    tuple_file: str | None = None
    tuple_files: list[str] | None = None
    check: list[_Check] | None = None
    list_objects: list[_ListObjects] | None = None
    list_users: list[_ListUsers] | None = None


class _Check(Struct):
    assertions: dict[str, bool]
    user: str | None = None
    users: list[str] | None = None
    object: str | None = None
    objects: list[str] | None = None
    context: dict[str, Any] | None = None


class _ListObjects(Struct):
    user: str
    type: str
    assertions: dict[str, list[str] | None]
    context: dict[str, Any] | None = None


class _ListUsers(Struct):
    object: str
    user_filter: Annotated[list[_Filter], Meta(min_length=1, max_length=1)]
    assertions: dict[str, _Users | None]
    context: dict[str, Any] | None = None


class _Filter(Struct):
    type: str
    relation: str | None = None


class _Users(Struct):
    users: list[str] | None = None


class _Store(_Test):
    """The whole file: what all of its tests begin with."""

    name: str = ""
    model: str | None = None
    model_file: str | None = None
    tests: list[_Test] | None = None


async def tested(file: Path) -> Tested:
    """Runs all tests in a file, in memory. Raises `ConfigurationError` for a file that is none of its kind, and for tuples that
    its model does not take."""
    try:
        whole = msgspec.convert(_yaml(file), _Store)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{file}: {error}") from error
    model = _model_of(whole, file)
    stored = _tuples_of(whole, file, model)
    passed, failed = 0, []
    for test in whole.tests or ():
        world = _World(model, (*stored, *_tuples_of(test, file, model)))
        for line in world.run(test):
            if line is None:
                passed += 1
            else:
                failed.append(f"{test.name}: {line}")
    return Tested(passed, tuple(failed))


class _World:
    """A model, and tuples that are there as if each question brought them."""

    def __init__(self, model: Model, stored: Iterable[RelationTuple]) -> None:
        self._model, self._stored = model, Contextual(stored)

    def run(self, test: _Test) -> Iterator[str | None]:
        """For each assertion None where it holds, else what is otherwise."""
        yield from self._checks(test.check or ())
        yield from self._objects(test.list_objects or ())
        yield from self._users(test.list_users or ())

    def _checks(self, asked: Iterable[_Check]) -> Iterator[str | None]:
        for one in asked:
            for subject, object_ in product(
                _each("user", one.user, one.users), _each("object", one.object, one.objects)
            ):
                for relation, expected in one.assertions.items():
                    said = self._said(RelationTuple(object_, relation, subject), one.context or {})
                    yield None if said == expected else f"{subject} {relation} {object_} is {_shown(said)}"

    def _said(self, asked: RelationTuple, context: Mapping[str, Any]) -> bool | str:
        asker = Asker(asked.subject, self._stored, context)
        try:
            tuples.question(self._model, asked)
            [verdict] = answered(check(self._model, asker, [(asked.object, asked.relation)]))
        except InvalidRequest as error:
            return error.text
        return verdict if isinstance(verdict, bool) else verdict.text

    def _objects(self, asked: Iterable[_ListObjects]) -> Iterator[str | None]:
        for one in asked:
            asker = Asker(one.user, self._stored, one.context or {})
            for relation, expected in one.assertions.items():
                found = self._listed(
                    RelationTuple(f"{one.type}:1", relation, one.user),
                    list_objects(self._model, asker, one.type, relation),
                )
                yield _same(found, expected or (), f"{one.user} {relation} {one.type}")

    def _users(self, asked: Iterable[_ListUsers]) -> Iterator[str | None]:
        for one in asked:
            [wanted] = one.user_filter
            kind = f"{wanted.type}#{wanted.relation}" if wanted.relation else wanted.type
            somebody = f"{wanted.type}:1#{wanted.relation}" if wanted.relation else f"{wanted.type}:1"
            for relation, expected in one.assertions.items():
                sought = Sought(one.object, relation, kind, self._stored, one.context or {})
                found = self._listed(RelationTuple(one.object, relation, somebody), list_users(self._model, sought))
                yield _same(found, (expected and expected.users) or (), f"{kind} {relation} {one.object}")

    def _listed(self, asked: RelationTuple, steps: Steps[Any]) -> list[str] | str:
        """What is found, or why nothing can be: a name that the model does not know is no empty list."""
        try:
            tuples.question(self._model, asked)
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


def _each(name: str, one: str | None, many: list[str] | None) -> list[str]:
    if not many and one is None:
        raise ConfigurationError(f"a check has no {name}")
    return many or [str(one)]


def _model_of(whole: _Store, file: Path) -> Model:
    if whole.model_file:
        return models.compiled(model_in(file.parent / whole.model_file, harmless=True))
    text = whole.model
    if not text:
        raise ConfigurationError(f"{file} has neither `model` nor `model_file`")
    return models.compiled(_placed(file, lambda: syntax.read(text).model))


def _tuples_of(holder: _Test, file: Path, model: Model) -> tuple[RelationTuple, ...]:
    """Those written in it, and those of the files that it names."""
    named = [holder.tuple_file] if holder.tuple_file else holder.tuple_files or []
    rows: list[Any] = list(holder.tuples or ())
    for name in named:
        rows += _rows(file.parent / name)
    found = tuple(tuples.parse_tuple(row) for row in rows)
    for one in found:
        if fault := tuples.judge(model, one):
            raise ConfigurationError(f"{file}: the model does not take {' '.join(one.key)}: {fault}")
    return found


def _rows(file: Path) -> list[Any]:
    if file.suffix != ".csv":
        found = _yaml(file)
        if not isinstance(found, list):
            raise ConfigurationError(f"{file} is not a list of tuples")
        return found
    try:
        return [_row(row) for row in csv.DictReader(_text(file).splitlines())]
    except (KeyError, csv.Error, msgspec.DecodeError) as error:
        raise ConfigurationError(f"{file} is not a table of tuples: {error}") from error


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
