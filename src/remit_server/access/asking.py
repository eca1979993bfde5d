"""Questions as requests bring them, made ready for the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from remit_server.access import members as m
from remit_server.access.keys import asked_key, contextual_keys
from remit_server.access.members import Members
from remit_server.access.refusals import InvalidTuple
from remit_server.access.stores import Opened
from remit_server.errors import InvalidRequest
from remit_server.rules.relations import tuples
from remit_server.rules.relations.check import Asker, Question
from remit_server.rules.relations.facts import Contextual
from remit_server.rules.relations.tuples import ConditionFault, RelationTuple

_NOTHING: Final = Contextual()
_CONSISTENCIES: Final = frozenset({0, 100, 200})
"""UNSPECIFIED, MINIMIZE_LATENCY and HIGHER_CONSISTENCY: the answer is of this moment whichever is asked for."""
_sorted = msgspec.json.Encoder(order="sorted").encode


class Asked(NamedTuple):
    """A question in good form; whether the model has an answer is another matter."""

    key: RelationTuple
    contextual: tuple[RelationTuple, ...]
    context: Mapping[str, Any]


def asked(holder: Members, most: int) -> Asked:
    """`{tuple_key, contextual_tuples?, context?}`. Raises `InvalidRequest`."""
    return Asked(asked_key(holder), contextual_keys(holder, most), holder.plain("context"))


def under(body: Members) -> str:
    """The id of the model that is asked for; empty for the newest. What is asked besides for all questions is looked at, too."""
    body.one_of("consistency", _CONSISTENCIES)
    return body.text("authorization_model_id", m.ID, needed=False)


class Circumstances:
    """What questions are asked under: where it is equal it is one object, so that the engine sees them as one graph."""

    def __init__(self, opened: Opened, *, lists: bool = False) -> None:
        self.opened, self._lists = opened, lists
        self._contexts: dict[bytes, Mapping[str, Any]] = {}
        self._contextual: dict[tuple[RelationTuple, ...], Contextual] = {(): _NOTHING}

    def question(self, one: Asked) -> Question:
        """Raises `InvalidRequest` for what the model does not define, `InvalidTuple` for a tuple that it does not take."""
        tuples.question(self.opened.model, one.key)
        contextual, context = self.of(one.contextual, one.context)
        return Question(one.key.subject, one.key.relation, one.key.object, contextual, context)

    def asker(self, subject: str, contextual: tuple[RelationTuple, ...], context: Mapping[str, Any]) -> Asker:
        """Raises `InvalidTuple`."""
        return Asker(subject, *self.of(contextual, context))

    def of(
        self, contextual: tuple[RelationTuple, ...], context: Mapping[str, Any]
    ) -> tuple[Contextual, Mapping[str, Any]]:
        """Raises `InvalidTuple`."""
        if contextual not in self._contextual:
            judged(self.opened, contextual, lists=self._lists)
            self._contextual[contextual] = Contextual(contextual)
        return self._contextual[contextual], self._contexts.setdefault(_sorted(context), context)


def judged(opened: Opened, contextual: tuple[RelationTuple, ...], *, lists: bool = False) -> None:
    """Raises `InvalidTuple` for a tuple that the model does not take; OpenFGA's `lists` call it another name where it is only
    for its condition."""
    for brought in contextual:
        if fault := tuples.judge(opened.model, brought):
            raise (InvalidRequest if lists and isinstance(fault, ConditionFault) else InvalidTuple)(str(fault))
