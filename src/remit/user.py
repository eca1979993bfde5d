"""The user an agent acts for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeVar

from . import access, approvals, vault
from . import details as rar
from .approvals import Approval
from .errors import SignInRequired
from .proxy import Vault
from .requests import Requests
from .retrieval import MOST, Found, Sieve, Source
from .session import Session
from .sync import Sync
from .tokens import Token

T = TypeVar("T")

_acting_for: ContextVar[tuple[User, ...]] = ContextVar("remit_acting_for", default=())


def current_user() -> User:
    """The user of the innermost ``with user:`` around this code, in this thread or task and no other.

    Raises:
        SignInRequired: there is none.
    """
    if not (users := _acting_for.get()):
        raise SignInRequired("no user is bound to this context")
    return users[-1]


@dataclass(frozen=True)
class User:
    """Whom the agent acts for. Immutable; tokens are renewed behind it.

    Pass it along, or bind it to the running task with ``with user:`` and read it with ``current_user()``. Two tasks that
    serve two users never see each other's.
    """

    sub: str
    """The user's identifier at the issuer."""
    name: str | None
    """The user's name, when the token told it."""
    scopes: frozenset[str]
    """What the user has let this agent do."""
    agent: str
    """Who acts: the client identifier of this agent."""
    _session: Session = field(repr=False, compare=False)
    _requests: Requests = field(repr=False, compare=False)

    @property
    def vault(self) -> Vault:
        """The user's connected accounts, to be called without ever holding a token of theirs."""
        return Vault(self._session)

    @property
    def sync(self) -> Sync:
        """The client's: runs this user's calls from code that has no event loop."""
        return self._session.server.transport.sync

    async def token(self, connection: str, *, scopes: Sequence[str] = (), account: str | None = None) -> Token:
        """A short-lived access token of an account that the user has connected.

        Args:
            connection: its name at the server, such as ``calendar``.
            scopes: what is needed, in the provider's terms.
            account: which one, when the user has connected several: the provider's user identifier, the name that the
                provider shows, or our identifier. None is the one that the user chose as the default.

        Raises:
            ConnectRequired: not connected, too little granted, kept for other agents, or withdrawn upstream. Holds the link
                that mends it.
            UserAway: of the same kind; the user's sign-in is over, and the account is not to be used while they are away.
            SignInRequired: nothing stands for the user any more.
            NotAllowed: this agent may not use the connection.
            Unavailable: no usable answer.
        """
        return await vault.borrow(self._session, connection, scopes, account)

    async def access_token(self, *, audience: str | None = None, scopes: Sequence[str] = ()) -> Token:
        """The user's own access token for an API behind Remit, renewed when need be.

        Args:
            audience: the API's identifier; None for the one that the user signed in for.

        Raises:
            SignInRequired: the session has ended.
            NotAllowed: the user's grant does not reach that far.
            Unavailable: no usable answer.
        """
        return await self._session.access_token(audience, scopes)

    async def request(
        self,
        details: rar.Detail | Sequence[rar.Detail],
        *,
        audience: str | None = None,
        scopes: Sequence[str] = (),
        key: str | None = None,
        expires_in: int | None = None,
        message: str | None = None,
    ) -> Approval:
        """Ask the user to approve exactly this, and return at once.

        Args:
            details: what is to be done (RFC 9396): a ``type`` known to the server and its members. Plain JSON values.
            audience: the API that will receive the token.
            scopes: scopes for that API, beside the details.
            key: names this step, such as ``f"{run}:{tool_call}"``. Asked again under the same key, the same request comes
                back and the person is not asked twice. It is remembered by this process.
            expires_in: seconds that the person has to answer; the server's default when None.
            message: the agent's own words, shown as a quotation below the facts. Short and plain.

        Raises:
            DetailsChanged: ``key`` stands for other details.
            NotAllowed: the agent may not ask this user, or not for this.
            Misconfigured: the server does not know the details' type, or refuses the message.
            Unavailable: no usable answer.
        """
        asked = rar.as_list(details)

        async def file() -> Approval:
            approval = await approvals.ask(
                self._session.server,
                self.sub,
                asked,
                key=self._session.key,
                audience=audience,
                scopes=scopes,
                expires_in=expires_in,
                message=message,
            )
            return self._requests.keep(approval)

        return await file() if key is None else await self._requests.once(self.sub, key, asked, file)

    async def can(self, relation: str, obj: str) -> bool:
        """Whether the user has the relation to the object, as in ``can("viewer", "doc:7")``.

        Raises:
            NotAllowed: this agent may not ask about this user.
            Unavailable: the server did not answer; treat it as a no.
        """
        return await access.check(self._session.server, self.sub, relation, obj)

    async def requires(self, relation: str, obj: str) -> None:
        """Insist on it, as the first line of a tool: ``await user.requires("editor", "doc:7")``.

        Raises:
            NotAllowed: the user lacks the relation, or there is no such object, which is the same.
            Unavailable: the server did not answer.
        """
        await access.require(self._session.server, self.sub, relation, obj)

    async def filter(self, docs: Iterable[T], *, relation: str, obj: Callable[[T], str | None]) -> list[T]:
        """Those of ``docs`` that the user may see, in their order. A document that ``obj`` cannot name is dropped.

        Args:
            obj: names a document as ``type:id``. None, or a ``LookupError`` such as of a missing key, is no name.

        Raises:
            NotAllowed: this agent may not ask about this user.
            Unavailable: a question went unanswered.
        """
        return await access.visible(self._session.server, self.sub, docs, relation, obj)

    async def first(
        self,
        k: int,
        source: Source[T],
        *,
        relation: str,
        obj: Callable[[T], str | None],
        most: int = MOST,
    ) -> Found[T]:
        """The first ``k`` of a source that the user may see. More hits are taken from it until there are enough of them, or no
        more, so that what the user may not see costs them no answer.

        Args:
            source: hits, the best first: an iterable, sync or async, or a function of n that gives the n best, sync or async.
            obj: as for ``filter``.
            most: hits to look at. When that many were not enough, ``partial`` says so.

        Raises:
            NotAllowed: this agent may not ask about this user.
            Unavailable: a question went unanswered.
        """
        return await access.first(self._session.server, self.sub, source, relation, Sieve(k, obj, most))

    async def visible(self, relation: str, kind: str, *, most: int = MOST) -> Found[str]:
        """The ids of all objects of a type that the user has the relation to, for an index that filters by id itself.

        Args:
            kind: the type, such as ``doc``.
            most: ids to collect. When there are more, ``partial`` says so; ``first`` is then the better way.

        Raises:
            NotAllowed: this agent may not ask about this user.
            Unavailable: the search gave no whole answer.
        """
        return await access.reach(self._session.server, self.sub, relation, kind, most)

    def __enter__(self) -> User:
        _acting_for.set((*_acting_for.get(), self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _acting_for.set(_acting_for.get()[:-1])
