"""Who is calling an API, for whom, and what exactly they may do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from . import details as rar
from .clock import Clock
from .errors import AlreadySpent, DetailsChanged, InsufficientScope, NotAllowed
from .replay import ReplayStore, Seen
from .tokens import Token

_COMMON = frozenset({"type", "locations"})
"""Members that say what a detail is and where it holds; the rest is the act (RFC 9396 section 2)."""
_TWIN = 600
"""Seconds by which a second token of the same approval, handed out after a lost reply, may outlive the first."""


@dataclass(frozen=True)
class Caller:
    """The verified origin of one request. Made by a ``Verifier`` and by nothing else."""

    sub: str
    """The person for whom the call is made; the client itself where no person is behind it."""
    agent: str
    """Who acts: the outermost actor of the token, or else its client."""
    actors: tuple[str, ...]
    """The chain of those who acted, newest first. Only ``agent`` is a base for decisions (RFC 8693 section 4.1)."""
    scopes: frozenset[str]
    details: tuple[Mapping[str, Any], ...]
    """What was approved, as RFC 9396 authorization details."""
    claims: Mapping[str, Any]
    """All claims of the token."""
    token: Token = field(repr=False, compare=False)
    """The token itself, for an exchange on behalf of the caller; its value is hidden."""
    _store: ReplayStore = field(repr=False, compare=False)
    _clock: Clock = field(repr=False, compare=False)
    _resource_metadata: str | None = field(repr=False, compare=False)
    _audience: str = field(repr=False, compare=False)
    _leeway: int = field(repr=False, compare=False)

    def requires(self, *scopes: str) -> None:
        """Go on only if the token grants all of these.

        Raises:
            InsufficientScope: 403, naming every scope that the call needs, so that the client can ask for all at once.
        """
        if not self.scopes.issuperset(scopes):
            raise InsufficientScope(scopes, resource_metadata=self._resource_metadata)

    async def spend(self, kind: str, /, **actual: Any) -> Mapping[str, Any]:
        """Do what was approved, exactly that, and once. Call it right before the act, with the act's real arguments.

        ``kind`` is the detail's ``type``. Every other member of the approved detail has to be given and to be equal, and
        nothing may be given beside. A token with several details of one type lets each be spent once.

        What has been spent is known to the verifier's ``ReplayStore``: to one process by default, to one machine with
        ``SQLiteReplayStore``. An API on several machines has to bring a store that they share.

        Returns:
            The approved detail.

        Raises:
            NotAllowed: the token holds no approval of this type for this API.
            DetailsChanged: the act is not the approved one; ``field`` says where it differs.
            AlreadySpent: it has been done.
            Unavailable: the store cannot tell.
        """
        approved = [detail for detail in self.details if detail["type"] == kind and self._here(detail)]
        if not approved:
            raise NotAllowed(f"the token holds no approval of type {kind!r}")
        act = rar.as_list({**actual, "type": kind})[0]
        facts = [
            {name: v for name, v in detail.items() if name not in _COMMON or name == "type"} for detail in approved
        ]
        matching = [detail for detail, fact in zip(approved, facts, strict=True) if rar.difference(fact, act) is None]
        if not matching:
            field = rar.difference(facts[0], act) or "type"
            raise DetailsChanged(field, facts[0].get(field), act.get(field))
        for place, detail in enumerate(matching):
            try:
                await self._store.take(self._act(detail, place), until=self._until(), now=int(self._clock.now()))
            except Seen:
                continue
            return detail
        raise AlreadySpent

    def _here(self, detail: Mapping[str, Any]) -> bool:
        locations = detail.get("locations")
        return locations is None or (isinstance(locations, list) and self._audience in locations)

    def _act(self, detail: Mapping[str, Any], place: int) -> str:
        # One approval, one act, even if its token was handed out again after a lost reply: so the approval's own id counts
        # where the issuer states it, and else the token's. Equal details in one token are told apart by their place.
        approval = self.claims.get("approval")
        stated = approval.get("id") if isinstance(approval, Mapping) else None
        named = f"approval {stated}" if isinstance(stated, str) else f"token {self.claims['jti']}"
        act = f"{self.claims['iss']}\n{named}\n{rar.digest([detail])}\n{place}"
        return "spent:" + hashlib.sha256(act.encode()).hexdigest()

    def _until(self) -> int:
        return int(self.claims["exp"]) + self._leeway + _TWIN


def actors(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The chain in ``act`` (RFC 8693 section 4.1), newest first; the client where nobody else acts.

    Raises:
        ValueError: it is malformed, or deeper than any chain that is issued.
    """
    chain: list[str] = []
    act = claims.get("act")
    while act is not None:
        if not isinstance(act, Mapping) or not isinstance(act.get("sub"), str) or len(chain) == 16:
            raise ValueError("malformed act")
        chain.append(act["sub"])
        act = act.get("act")
    return tuple(chain) or (str(claims["client_id"]),)


def frozen(claims: Mapping[str, Any]) -> Mapping[str, Any]:
    """A view that cannot be written through."""
    return MappingProxyType(dict(claims))
