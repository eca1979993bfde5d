"""The relations' answer at the one door. What the organisation declared to need a relation, the person must have, and each
agent that acts for them, everyone asked about by themselves: an agent cannot do what its person may not, nor all that they may.
"""

from __future__ import annotations

from collections.abc import Iterator

from remit_server.access.acting import acting
from remit_server.records import Organisation
from remit_server.records.organisation import Need
from remit_server.rules.relations.needs import Unclear, needed
from remit_server.runtime.kept import Kept
from remit_server.runtime.ports import Act, Decision, Deny, Permit, Question, Relations
from remit_server.storage.store import Store


class RelationJudge:
    def __init__(self, store: Store, relations: Relations) -> None:
        self._store, self._relations = store, relations
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
            return Deny(reason="It is not clear which relation this needs.", why=("access.relation", str(unclear)))
        if not pairs:
            return Permit(act=act)
        if act.user is None and act.kind != "token":
            return Deny(reason="This is done for a person, and nobody is named.", why=("access.relation",))
        questions = [question for pair in pairs for question in await self._questions(act, *pair)]
        for question, verdict in zip(questions, await self._relations.can(questions), strict=True):
            if not verdict.allowed:
                return _deny(question, verdict.fault)
        return Permit(act=act, why=tuple(_said(question) for question in questions))

    async def _questions(self, act: Act, relation: str, object_: str) -> list[Question]:
        """About the person; and about each agent, told for whom it acts."""
        about = [Question(subject=f"user:{act.user.id}", relation=relation, object=object_)] if act.user else []
        for agent in dict.fromkeys(_agents(act)):
            brings = (
                await acting(self._relations, agent, act.user.id, beside=object_.partition(":")[0]) if act.user else ()
            )
            about.append(Question(subject=f"agent:{agent}", relation=relation, object=object_, contextual=brings))
        return about


def _agents(act: Act) -> Iterator[str]:
    """The client, and whoever stands between it and the person."""
    yield act.client.id
    for actor in act.actors:
        yield str(actor.get("sub"))


def _said(question: Question) -> str:
    return f"{question.subject} {question.relation} {question.object}"


def _deny(question: Question, fault: str) -> Deny:
    who = "the person" if question.subject.startswith("user:") else question.subject.removeprefix("agent:")
    return Deny(
        reason=f"{question.relation} of {question.object} is needed for this, and {who} does not have it.",
        why=("access.relation", _said(question), *([fault] if fault else [])),
    )
