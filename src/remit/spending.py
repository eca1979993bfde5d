"""Using up an approval: at the issuer, where it counts for every machine, or in a list of one's own."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from . import details as rar
from .clock import Clock
from .errors import AlreadySpent, AuthenticationRequired, DetailsChanged, Unavailable
from .replay import MemoryReplayStore, ReplayStore, Seen, SQLiteReplayStore
from .server import OAuthRefusal, Server
from .tokens import Token

_log = logging.getLogger("remit")
_TWIN = 600
"""Seconds by which a second token of the same approval, handed out after a lost reply, may outlive the first."""

COMMON = frozenset({"type", "locations"})
"""Members that say what a detail is and where it holds; the rest is the act (RFC 9396 section 2)."""


class Spending(Protocol):
    """Lets one act happen that is among those approved, once."""

    words: str
    """How far "once" reaches, for the log and the operator."""

    async def spend(
        self, token: Token, approved: Sequence[rar.Detail], act: Mapping[str, Any], claims: Mapping[str, Any]
    ) -> rar.Detail:
        """The approved detail that covers the act, and is used up by it. See ``Caller.spend`` for what is raised."""
        ...


class AtTheIssuer:
    """Every act is told to the issuer first, which compares it by the document of its type and lets it pass once."""

    words = "What is approved is used up at the issuer: once, whichever process or machine is asked to do it."

    def __init__(self, server: Server) -> None:
        self._server = server

    async def spend(
        self,
        token: Token,
        approved: Sequence[rar.Detail],
        act: Mapping[str, Any],
        claims: Mapping[str, Any],  # noqa: ARG002 - the issuer knows what it has issued
    ) -> rar.Detail:
        """Nothing is done that the issuer did not let pass: when it cannot be reached, that is a no."""
        url = self._server.issuer.page("approvals/spend")
        form = {"token": token.reveal(), "authorization_details": json.dumps([act])}
        answer = await self._server.post_to(url, form)
        if isinstance(answer, OAuthRefusal):
            raise _refusal(answer, approved[0], act)
        found = answer.get("authorization_details")
        if not isinstance(found, list) or len(found) != 1 or not any(rar.same(each, found[0]) for each in approved):
            raise Unavailable("the issuer let something pass that the token does not hold")
        detail: rar.Detail = found[0]
        return detail


def _refusal(answer: OAuthRefusal, approved: rar.Detail, act: Mapping[str, Any]) -> Exception:
    match answer.error:
        case "details_changed":
            field = str(answer.members.get("field", "type"))
            return DetailsChanged(field, approved.get(field), act.get(field))
        case "already_spent":
            at, by = answer.members.get("spent_at"), answer.members.get("spent_by")
            return AlreadySpent(at=at if isinstance(at, int) else None, by=by if isinstance(by, str) else None)
        case "invalid_grant":
            return AuthenticationRequired("the issuer does not honour the token any more")
    return answer.as_error()


class Offline:
    """What has been spent is known to a store of this API. The issuer does not hear of it, and its pages say "not used"."""

    def __init__(self, store: ReplayStore, *, leeway: int, clock: Clock) -> None:
        self._store, self._leeway, self._clock = store, leeway, clock
        where = "the store that this API was given"
        if isinstance(store, MemoryReplayStore):
            where = "this process alone, until it ends"
        elif isinstance(store, SQLiteReplayStore):
            where = "this machine alone"
        self.words = f"Offline: what is used up is known to {where}, and the issuer does not hear of it."
        self._told = False

    async def spend(
        self,
        token: Token,  # noqa: ARG002 - what it says has been verified
        approved: Sequence[rar.Detail],
        act: Mapping[str, Any],
        claims: Mapping[str, Any],
    ) -> rar.Detail:
        """The act is equal to what was approved: the documents that say what is less are the issuer's."""
        if not self._told:
            self._told = True
            _log.info(self.words)
        facts = [{name: v for name, v in detail.items() if name not in COMMON or name == "type"} for detail in approved]
        matching = [detail for detail, fact in zip(approved, facts, strict=True) if rar.difference(fact, act) is None]
        if not matching:
            field = rar.difference(facts[0], act) or "type"
            raise DetailsChanged(field, facts[0].get(field), act.get(field))
        until, now = int(claims["exp"]) + self._leeway + _TWIN, int(self._clock.now())
        for place, detail in enumerate(matching):
            try:
                await self._store.take(_name(claims, detail, place), until=until, now=now)
            except Seen:
                continue
            return detail
        raise AlreadySpent


def _name(claims: Mapping[str, Any], detail: rar.Detail, place: int) -> str:
    # One approval, one act, even if its token was handed out again after a lost reply: so the approval's own id counts
    # where the issuer states it, and else the token's. Equal details in one token are told apart by their place.
    approval = claims.get("approval")
    stated = approval.get("id") if isinstance(approval, Mapping) else None
    named = f"approval {stated}" if isinstance(stated, str) else f"token {claims['jti']}"
    act = f"{claims['iss']}\n{named}\n{rar.digest([detail])}\n{place}"
    return "spent:" + hashlib.sha256(act.encode()).hexdigest()
