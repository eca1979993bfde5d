"""The relations' answer at the one door. What the organisation declared to need a relation, the person must have, and each
agent that acts for them, everyone asked about by themselves: an agent cannot do what its person may not, nor all that they may.
"""

from __future__ import annotations

from collections.abc import Iterable

from remit_server.access.acting import acting
from remit_server.access.moment import moment
from remit_server.records import Actor, Event, Organisation
from remit_server.records.organisation import Need
from remit_server.rules.relations import tuples
from remit_server.rules.relations.needs import Unclear, needed
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.clock import Clock
from remit_server.runtime.ids import new_id
from remit_server.runtime.kept import Kept
from remit_server.runtime.ports import Act, Decision, Deny, Permit, Question, Relations
from remit_server.storage.store import Store


class RelationJudge:
    def __init__(self, store: Store, relations: Relations, clock: Clock) -> None:
        self._store, self._relations, self._clock = store, relations, clock
        self._needs = Kept(store, "organisation", self._read)

    async def _read(self) -> tuple[Need, ...]:
        return (await self._store.organisation.get("organisation") or Organisation()).needs

    async def __call__(self, act: Act) -> Decision:
        """Raises `RelationsUnavailable` where nobody answers."""
        try:
            pairs = tuple(dict.fromkeys(needed(
                await self._needs(), connection=act.connection, audiences=act.audiences, scopes=act.scopes,
                details=act.details,
            )))  # fmt: skip
        except Unclear as unclear:
            return await self._deny(act, "It is not clear which relation this needs.", str(unclear))
        if not pairs:
            return Permit(act=act)
        if act.user is None and act.kind != "token":
            return await self._deny(act, "This is done for a person, and nobody is named.", "nobody")
        questions = await self._questions(act, pairs)
        if odd := next(filter(None, map(_odd, questions)), None):
            return await self._deny(act, "Who or what this is about cannot be asked about.", odd)
        for question, verdict in zip(questions, await self._relations.can(questions), strict=True):
            if not verdict.allowed:
                return await self._deny(act, _reason(question), _said(question), *filter(None, [verdict.fault]))
        return Permit(act=act, why=tuple(_said(question) for question in questions))

    async def _deny(self, act: Act, reason: str, *missing: str) -> Deny:
        event = Event(
            id=new_id(), at=self._clock.now(), kind="access.needed",
            actor=Actor(user=act.user.id if act.user else None, client=act.client.id, chain=_agents(act)[1:]),
            about={"act": act.kind, "missing": list(missing)},
        )  # fmt: skip
        await self._store.commit(events=(event,))
        return Deny(reason=reason, why=("access.relation", *missing))

    async def _questions(self, act: Act, pairs: Iterable[tuple[str, str]]) -> list[Question]:
        """About the person; and about each agent, told for whom it acts. Conditions are told the time and nothing else: what an act
        says of itself, its client has said."""
        told, about = moment(self._clock), list[Question]()
        brought: dict[tuple[str, str], tuple[RelationTuple, ...]] = {}
        for relation, object_ in pairs:
            type_ = object_.partition(":")[0]
            if act.user:
                about.append(Question(subject=f"user:{act.user.id}", relation=relation, object=object_, context=told))
            for agent in _agents(act):
                if act.user and (agent, type_) not in brought:
                    brought[agent, type_] = await acting(self._relations, agent, act.user.id, beside=type_)
                brings = brought.get((agent, type_), ())
                about.append(
                    Question(
                        subject=f"agent:{agent}", relation=relation, object=object_, context=told, contextual=brings
                    )
                )
        return about


def _agents(act: Act) -> tuple[str, ...]:
    """The client, and whoever stands between it and the person."""
    return tuple(dict.fromkeys((act.client.id, *(str(actor.get("sub")) for actor in act.actors))))


def _odd(question: Question) -> str | None:
    """Why this is no question about one somebody and one thing. What a request may say at any length goes no further."""
    if "#" in question.subject or question.subject.endswith(":*"):
        return "a userset or a wildcard as an id"
    return tuples.malformed(RelationTuple(question.object, question.relation, question.subject))


def _said(question: Question) -> str:
    return f"{question.subject} {question.relation} {question.object}"


def _reason(question: Question) -> str:
    who = "the person" if question.subject.startswith("user:") else question.subject.removeprefix("agent:")
    return f"{question.relation} of {question.object} is needed for this, and {who} does not have it."
