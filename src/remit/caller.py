"""Who is calling an API, for whom, and what exactly they may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from . import details as rar
from .errors import InsufficientScope, NotAllowed
from .spending import Spending
from .tokens import Token


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
    _spending: Spending = field(repr=False, compare=False)
    _resource_metadata: str | None = field(repr=False, compare=False)
    _audience: str = field(repr=False, compare=False)

    def requires(self, *scopes: str) -> None:
        """Go on only if the token grants all of these.

        Raises:
            InsufficientScope: 403, naming every scope that the call needs, so that the client can ask for all at once.
        """
        if not self.scopes.issuperset(scopes):
            raise InsufficientScope(scopes, resource_metadata=self._resource_metadata)

    async def spend(self, kind: str, /, **actual: Any) -> Mapping[str, Any]:
        """Do what was approved, and once. Call it right before the act, with the act's real arguments.

        ``kind`` is the detail's ``type``. Every other member of the approved detail has to be given, and nothing beside. A
        token with several details of one type lets each be spent once.

        A verifier with credentials tells the issuer, which compares the act by the document of its type: fewer shares may
        pass, more never. One without is offline: every member has to be equal, and what has been spent is known to its
        ``ReplayStore``; by default that is one process. ``verifier.once`` says which.

        Returns:
            The approved detail.

        Raises:
            NotAllowed: the token holds no approval of this type for this API.
            DetailsChanged: the act is not the approved one; ``field`` says where it differs.
            AlreadySpent: it has been done.
            AuthenticationRequired: the issuer has ended the token since it was issued.
            Unavailable: the issuer, or the store, cannot tell.
        """
        approved = [detail for detail in self.details if detail["type"] == kind and self._here(detail)]
        if not approved:
            raise NotAllowed(f"the token holds no approval of type {kind!r}")
        act = rar.as_list({**actual, "type": kind})[0]
        return await self._spending.spend(self.token, approved, act, self.claims)

    def _here(self, detail: Mapping[str, Any]) -> bool:
        locations = detail.get("locations")
        return locations is None or (isinstance(locations, list) and self._audience in locations)


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
