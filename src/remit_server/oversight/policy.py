"""The company's say at the one door: its Cedar policies, asked last. What cannot be asked or answered is a no."""

from __future__ import annotations

import structlog

from remit_server.catalog.load import detail_types
from remit_server.errors import ConfigurationError
from remit_server.records import Actor, DetailType, Event
from remit_server.rules import policy
from remit_server.rules.policy import Book, NeedsApproval, Refused, Verdict
from remit_server.rules.policy_vocabulary import Doing, Unclear, questions
from remit_server.runtime.clock import Clock
from remit_server.runtime.ids import new_id
from remit_server.runtime.kept import Kept
from remit_server.runtime.ports import Act, Decision, Deny, Permit, RequireApproval
from remit_server.storage.store import Store

log = structlog.get_logger("remit")

_UNREADABLE = Refused((), "The organisation's policies cannot be read.", ("unreadable",))


class PolicyJudge:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._book = Kept(store, "policies", self._read)
        self._types = Kept(store, "detail_types", self._read_types)

    async def _read(self) -> Book | Refused | None:
        """The policies, parsed; None where there are none, and a refusal of everything where they do not parse."""
        found = await self._store.policies.all()
        if not found:
            return None
        try:
            return policy.read(each.text for each in found)
        except ConfigurationError as error:
            log.critical("policies cannot be read: everything is refused", fault=error.text)
            return _UNREADABLE

    async def _read_types(self) -> dict[str, DetailType]:
        return {**detail_types(), **{kind.type: kind for kind in await self._store.detail_types.all()}}

    async def __call__(self, act: Act) -> Decision:
        book = await self._book()
        if book is None:
            return Permit(act=act, why=("no policy",))
        verdicts = [book] if isinstance(book, Refused) else await self._verdicts(book, act)
        why = tuple(dict.fromkeys(id_ for verdict in verdicts for id_ in verdict.policies))
        refused = next((verdict for verdict in verdicts if isinstance(verdict, Refused)), None)
        if refused is not None:
            return await self._deny(act, refused)
        needed = [verdict for verdict in verdicts if isinstance(verdict, NeedsApproval)]
        if not needed:
            return Permit(act=act, why=why)
        approvers = tuple(dict.fromkeys(each for verdict in needed for each in self._approvers(act, verdict)))
        if not approvers:
            return await self._deny(act, Refused(why, "An approval is needed, and there is nobody to give it."))
        return RequireApproval(approvers=approvers, ttl=min(verdict.ttl for verdict in needed), why=why)

    async def _verdicts(self, book: Book, act: Act) -> list[Verdict]:
        types = await self._types() if act.details else {}
        approved_by = [await self._store.users.get(user_id) for user_id in act.approved_by]
        doing = Doing(
            kind=act.kind, client=act.client, user=act.user, audiences=act.audiences, scopes=act.scopes,
            connection=act.connection, call=act.call, details=act.details, actors=act.actors,
            approved_by=tuple(user for user in approved_by if user and user.state == "active"),
        )  # fmt: skip
        try:
            return [policy.judge(book, question) for question in questions(doing, types, self._clock.now())]
        except Unclear as unclear:
            return [Refused((), "The organisation's policies cannot judge this.", (str(unclear),))]

    @staticmethod
    def _approvers(act: Act, verdict: NeedsApproval) -> tuple[str, ...]:
        return verdict.approvers or ((f"user:{act.user.id}",) if act.user else ())

    async def _deny(self, act: Act, refused: Refused) -> Deny:
        if refused.failed:
            log.error("policy evaluation failed", policies=refused.policies, faults=refused.failed)
        event = Event(
            id=new_id(), at=self._clock.now(), kind="policy.denied",
            actor=Actor(user=act.user.id if act.user else None, client=act.client.id),
            about={"act": act.kind, "policies": list(refused.policies), "failed": bool(refused.failed),
                   "details": list(act.details), "aud": list(act.audiences), "connection": act.connection},
        )  # fmt: skip
        await self._store.commit(events=(event,))
        return Deny(reason=refused.reason, why=refused.policies or ("no policy permits",))
