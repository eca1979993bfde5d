"""GET /console/relations/{store_id}/why: why somebody can, or cannot, drawn as the way that leads there."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from remit_server.access.engine import Engine
from remit_server.access.stores import Opened, Stores
from remit_server.errors import InvalidRequest, ProtocolError
from remit_server.rules.relations import tuples
from remit_server.rules.relations.check import Question
from remit_server.rules.relations.model import Model
from remit_server.rules.relations.parameters import TypeRef, Unfit
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.rules.relations.why import why
from remit_server.runtime.machines import Machines
from remit_server.ui.explaining import answer
from remit_server.ui.html import Pages
from remit_server.ui.pages.console import administrator
from remit_server.ui.pages.relations import entered, in_store
from remit_server.ui.pages.tuples import PARTS, malformed, told
from remit_server.ui.render import Page
from remit_server.ui.views.relations import Answer as Told
from remit_server.ui.views.relations import Field, Parameter, WhyView
from remit_server.wire.form import Form, parse_query
from remit_server.wire.http import Answer, Request


class WhyPage:
    def __init__(self, machines: Machines, pages: Pages, stores: Stores, engine: Engine) -> None:
        self._machines, self._pages, self._stores, self._engine = machines, pages, stores, engine

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who = await entered(request, machines)
        if isinstance(who, Answer):
            return who
        query = parse_query(request)
        record = await self._stores.record(request.params["store_id"])
        asked = RelationTuple(*((query.get(part) or "").strip() for part in PARTS))
        found: Told | None = None
        faults: dict[str, str] = {}
        parameters: tuple[Parameter, ...] = ()
        relations: tuple[str, ...] = ()
        try:
            opened = await self._stores.open(record.id)
            parameters, context = _context(opened.model, query)
            relations = tuple(dict.fromkeys(name for each in opened.model.types.values() for name in each))
            if any(asked.key):
                faults = _faults(opened.model, asked)
                if not faults and not any(each.error for each in parameters):
                    found = await self._answer(opened, asked, context)
        except ProtocolError as error:
            faults[""] = error.text
        fields: dict[str, Any] = {
            part: Field(value=value, error=told(faults.get(part))) for part, value in zip(PARTS, asked.key, strict=True)
        }
        view = WhyView(
            **await in_store(machines, administrator(who), record),
            **fields,
            parameters=parameters,
            relations=relations,
            answer=found,
            error=told(faults.get("")),
        )
        return self._pages(Page(view, 422 if faults or any(each.error for each in parameters) else 200))

    async def _answer(self, opened: Opened, asked: RelationTuple, context: Mapping[str, Any]) -> Told:
        question = Question(asked.subject, asked.relation, asked.object, context=context)
        (found,) = await self._engine.answer(opened, lambda: [why(opened.model, question)])
        return answer(opened.id, opened.model, question, found)


def _faults(model: Model, asked: RelationTuple) -> dict[str, str]:
    """What is wrong with a question, by field."""
    faults = malformed(asked)
    if faults:
        return faults
    try:
        tuples.question(model, asked)
    except InvalidRequest as error:
        type_ = asked.object.partition(":")[0]
        known = model.relation(type_, asked.relation) is not None
        return {"object" if type_ not in model.types else "user" if known else "relation": error.text}
    return {}


def _context(model: Model, query: Form) -> tuple[tuple[Parameter, ...], dict[str, Any]]:
    """The parameters of all conditions with what was typed for them, and those values as JSON."""
    types: dict[str, TypeRef] = {}
    named: dict[str, list[str]] = {}
    for condition in model.conditions.values():
        for name, type_ in condition.parameters.items():
            types.setdefault(name, type_)
            named.setdefault(name, []).append(condition.name)
    context: dict[str, Any] = {}
    parameters = []
    for name, type_ in types.items():
        text, error = (query.get(f"context.{name}") or "").strip(), None
        if text:
            try:
                context[name] = _value(type_, text)
            except Unfit as unfit:
                error = f"This must be {unfit}."
        parameters.append(Parameter(name=name, type=str(type_), conditions=tuple(named[name]), value=text, error=error))
    return tuple(parameters), context


def _value(type_: TypeRef, text: str) -> Any:
    """What was typed, as JSON. Raises `Unfit` where it is none of the type."""
    value: Any = text
    if type_.of or type_.name in {"any", "bool"}:
        with suppress(msgspec.DecodeError, RecursionError):  # a text, then, which the type takes or not
            value = msgspec.json.decode(text)
    type_.converted(value)
    return value
