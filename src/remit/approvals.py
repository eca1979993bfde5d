"""Pillar 3, from the agent's side: ask the human, do something else, come back for the answer (CIBA with RFC 9396)."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import details as rar
from . import jose
from .dpop import ProofKey
from .errors import (
    ApprovalDenied,
    ApprovalExpired,
    ApprovalPending,
    DetailsChanged,
    MoreInfoRequested,
    NotAllowed,
    Refused,
    Unavailable,
)
from .poll import Poll
from .server import Answer, OAuthRefusal, Server
from .single_flight import SingleFlight
from .tokens import Token

_GRANT = "urn:openid:params:grant-type:ciba"
_INTERVAL = 5
_LONGEST = 72 * 3600
"""Seconds. The longest that a request may wait; assumed of one that was filed by another process."""


@dataclass(frozen=True)
class Grant:
    """A yes, with what it is worth."""

    token: Token
    """Carries exactly ``details``; an API lets them be spent once."""
    details: tuple[Mapping[str, Any], ...]
    """What was approved, to be done as it stands here: the person may have approved less than was asked."""
    approved_by: str
    """The ``sub`` of the person."""
    approved_at: int
    """Unix seconds: when they answered, where the server states it, and else when it handed the grant out."""
    changes: tuple[str, ...] = ()
    """What the person changed, in words such as ``Shares: 10 × ZEKO → 8 × ZEKO``; empty where they approved what was asked."""


class Approval:
    """A request that a person has been asked to answer. Await it, or keep its ``id`` and come back.

    It settles once: whoever awaits it later, or at the same time, gets the same grant or the same refusal.
    """

    def __init__(
        self,
        server: Server,
        auth_req_id: str,
        *,
        key: ProofKey | None,
        sub: str | None = None,
        details: Sequence[Mapping[str, Any]] | None = None,
        expires_at: int | None = None,
        interval: int = _INTERVAL,
    ) -> None:
        self.id = auth_req_id
        """``auth_req_id``. It is useless to anybody but this client."""
        self.details = details
        """What was asked; None when another process asked."""
        self.expires_at = expires_at
        """Unix seconds; None when another process asked."""
        self.url = server.issuer.page("approvals")
        """Where the person answers, once signed in."""
        self._server = server
        self._key = key
        self._sub = sub
        self._outcome: Grant | Refused | None = None
        self._flight: SingleFlight[Grant] = SingleFlight()
        now = server.clock.now()
        self._poll = Poll(self._ask, interval=interval, deadline=expires_at or now + _LONGEST, clock=server.clock)

    def __await__(self) -> Generator[Any, None, Grant]:
        return self.wait().__await__()

    def __repr__(self) -> str:
        return f"Approval({type(self._outcome).__name__ if self._outcome else 'pending'})"

    async def wait(self, timeout: float | None = None) -> Grant:  # noqa: ASYNC109 (an outcome, not a cancellation)
        """Wait for the answer, at the pace that the server sets.

        Args:
            timeout: seconds to wait at most; 0 looks once. None waits until the request is answered or expires.

        Raises:
            ApprovalPending: ``timeout`` has passed without an answer.
            MoreInfoRequested: the person asked something first: ``answer`` it, then wait again.
            ApprovalDenied, ApprovalExpired: the answer.
            DetailsChanged: the server granted something else than was asked, and not because the person edited it.
        """
        if self._outcome is None:
            give_up_at = float("inf") if timeout is None else self._server.clock.now() + timeout
            answer = await self._poll.settle(give_up_at)
            if answer is None:
                raise self.pending()
            if isinstance(answer, OAuthRefusal) and "interaction" in answer.members:
                raise self._question(answer.members["interaction"])
            return await self._flight("judge", lambda: self._conclude(answer))
        return self._final(self._outcome)

    async def answer(self, text: str) -> None:
        """Reply to what the person asked (``MoreInfoRequested``). They see it as the agent's words, and the request goes on.

        Raises:
            NotAllowed: no question is open.
            ApprovalExpired: it came too late.
            Misconfigured: the text is too long, has a link or characters that nobody would see.
        """
        url = self._server.issuer.page("approvals/reply")
        said = await self._server.post_to(url, {"auth_req_id": self.id, "text": text}, key=self._key)
        if isinstance(said, OAuthRefusal):
            if said.error in {"expired_token", "invalid_grant"}:
                raise ApprovalExpired(self.id, expired_at=self.expires_at)
            raise NotAllowed("no question is open") if said.error == "conflict" else said.as_error()

    def _question(self, interaction: object) -> MoreInfoRequested:
        members = interaction if isinstance(interaction, Mapping) else {}
        by = members.get("asked_by")
        asked_by = by if isinstance(by, str) else None
        return MoreInfoRequested(self.id, str(members.get("question", "")), asked_by=asked_by)

    @property
    def poll_after(self) -> int:
        """Seconds until the server's pace lets ``wait`` look again."""
        return self._poll.poll_after

    def pending(self) -> ApprovalPending:
        """The error to raise for leaving now and coming back later: ``raise approval.pending()``."""
        return ApprovalPending(
            self.id, url=self.url, expires_at=self.expires_at, poll_after=self.poll_after or _INTERVAL
        )

    async def _ask(self, wait: int) -> Answer:
        form = {"grant_type": _GRANT, "auth_req_id": self.id}
        return await self._server.post("token_endpoint", form, key=self._key, wait=wait)

    async def _conclude(self, answer: Answer) -> Grant:
        if self._outcome is None:
            self._outcome = await self._judge(answer)
        return self._final(self._outcome)

    def _final(self, outcome: Grant | Refused) -> Grant:
        if isinstance(outcome, Refused):
            raise outcome
        return outcome

    async def _judge(self, answer: Answer) -> Grant | Refused:
        if isinstance(answer, OAuthRefusal):
            if answer.error == "access_denied":
                reason = answer.members.get("reason", answer.members.get("error_description"))
                by = answer.members.get("denied_by")
                return ApprovalDenied(
                    self.id,
                    reason=reason if isinstance(reason, str) else None,
                    by=by if isinstance(by, str) else None,
                )
            if answer.error in {"expired_token", "invalid_grant"}:
                return ApprovalExpired(self.id, expired_at=self.expires_at)
            raise answer.as_error()
        granted = answer.get("authorization_details")
        if not isinstance(granted, list) or not all(isinstance(detail, dict) for detail in granted):
            raise Unavailable("the grant states no authorization_details")
        changes = _changes(answer.get("approval"), granted)
        if self.details is not None and changes is None and not rar.same(list(self.details), granted):
            return DetailsChanged("authorization_details", self.details, granted)
        approved_by, handed_out_at = await self._approver(answer.get("id_token"))
        stated = answer.get("approved_at")
        return Grant(
            token=self._server.token(answer, self._key),
            details=tuple(granted),
            changes=changes or (),
            approved_by=approved_by,
            approved_at=stated if isinstance(stated, int) else handed_out_at,
        )

    async def _approver(self, id_token: object) -> tuple[str, int]:
        """Who answered, and when the server said so. CIBA section 10.1.1: the ID token is part of every token response."""
        try:
            claims = await self._server.identity(str(id_token))
        except jose.BadToken as cause:
            raise Unavailable(f"the grant's id_token does not hold: {cause}") from None
        if self._sub is not None and claims["sub"] != self._sub:
            raise Unavailable("somebody else than the one who was asked has answered")
        issued_at = claims.get("iat")
        return claims["sub"], issued_at if isinstance(issued_at, int) else int(self._server.clock.now())


def _changes(approval: object, granted: list[dict[str, Any]]) -> tuple[str, ...] | None:
    """What the person changed, where the server says that they did, and of these very details."""
    if not isinstance(approval, Mapping) or approval.get("edited") is not True:
        return None
    changes = approval.get("changes")
    if approval.get("digest") != rar.digest(granted) or not isinstance(changes, list):
        return None
    return tuple(str(each) for each in changes)


async def ask(
    server: Server,
    sub: str,
    details: list[dict[str, Any]],
    *,
    key: ProofKey | None,
    audience: str | None,
    scopes: Sequence[str],
    expires_in: int | None,
    message: str | None,
) -> Approval:
    """File the request: CIBA section 7.1, with the user named as ``iss_sub`` (RFC 9493) and the act as RFC 9396 details."""
    asked_at = int(server.clock.now())
    answer = await server.post(
        "backchannel_authentication_endpoint",
        {
            "scope": " ".join(dict.fromkeys(["openid", *scopes])),
            "login_hint": json.dumps({"format": "iss_sub", "iss": server.issuer.identifier, "sub": sub}),
            "authorization_details": json.dumps(details),
            "audience": audience,
            "binding_message": message,
            "requested_expiry": None if expires_in is None else str(expires_in),
        },
        key=key,
    )
    if isinstance(answer, OAuthRefusal):
        raise answer.as_error()
    auth_req_id, lifetime, interval = (answer.get(name) for name in ("auth_req_id", "expires_in", "interval"))
    if not isinstance(auth_req_id, str) or not auth_req_id or not isinstance(lifetime, int):
        raise Unavailable("the request was not acknowledged")
    return Approval(
        server,
        auth_req_id,
        key=key,
        sub=sub,
        details=details,
        expires_at=asked_at + lifetime,
        interval=interval if isinstance(interval, int) else _INTERVAL,
    )
