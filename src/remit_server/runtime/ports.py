"""What a room may need of another, as protocols; `app.py` passes the real thing in. Rooms never import each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct, field

from remit_server.errors import TemporarilyUnavailable
from remit_server.records import Client, Grant, Token, User
from remit_server.rules.relations.tuples import RelationTuple


class Act(Struct, frozen=True, kw_only=True):
    """What is about to be permitted: the question put to the one door."""

    kind: Literal["token", "consent", "ask", "exchange", "proxy", "connect"]
    client: Client
    user: User | None = None
    grant: Grant | None = None
    """What the user agreed to, where this is done under an agreement: the tokens hang on it."""
    audiences: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    connection: str | None = None
    call: tuple[str, str, str] | None = None
    """Of a proxied call: its method, the host that it goes to, and its path below the connection's `api_base`."""
    details: tuple[dict[str, Any], ...] = ()
    actors: tuple[dict[str, Any], ...] = ()
    approved_by: tuple[str, ...] = ()
    """Ids of people who approved exactly this."""


class Permit(Struct, frozen=True, kw_only=True):
    """Go on. `why` goes into the event; `act` is what was permitted and nothing else may be minted from it."""

    act: Act
    why: tuple[str, ...] = ()


class RequireApproval(Struct, frozen=True, kw_only=True):
    """Somebody must approve first."""

    approvers: tuple[str, ...]
    ttl: int
    why: tuple[str, ...] = ()


class Deny(Struct, frozen=True, kw_only=True):
    """No. `reason` is in words for a person, `why` names rules and policies for the trail."""

    reason: str
    why: tuple[str, ...] = ()


Decision = Permit | RequireApproval | Deny


class Decide(Protocol):
    """The one door (oversight/decide.py): nothing is minted without a `Permit` from it."""

    async def __call__(self, act: Act) -> Decision: ...


class Issued(Struct, frozen=True, kw_only=True):
    """A token string and the record that is to be stored with it, in one unit."""

    value: str
    token: Token


class Question(Struct, frozen=True, kw_only=True):
    """Has this subject this relation to this object?"""

    subject: str
    """`user:ada`, or a userset such as `group:traders#member`."""
    relation: str
    object: str
    context: Mapping[str, Any] = field(default_factory=dict)
    """What conditions are told; a tuple's own context outranks it."""
    contextual: tuple[RelationTuple, ...] = ()
    """Tuples that hold for this question alone."""


class Verdict(Struct, frozen=True):
    """The answer to a question."""

    allowed: bool
    fault: str = ""
    """Why it has no answer, in words for whoever administers it; `allowed` is then False."""


class Listed(Struct, frozen=True):
    """What a search found."""

    ids: tuple[str, ...] = ()
    """`type:id`, each once, in their order; of subjects `type:*` stands for everybody of that type."""
    complete: bool = True
    """False where a limit cut it short."""
    fault: str = ""
    """Why nothing could be searched, in words for whoever administers it."""


class RelationsUnavailable(TemporarilyUnavailable):
    """Nobody answers for the relations now. It is never taken for a yes."""

    text = "What may be done here cannot be found out at the moment. Try again."


class Relations(Protocol):
    """Who answers questions about relations: the engine in this process, or an OpenFGA server.

    Every answer is of the moment in which it is given. All of them raise `RelationsUnavailable`.
    """

    async def can(self, questions: Sequence[Question]) -> list[Verdict]:
        """A verdict for each question, in their order."""
        ...

    async def objects(
        self, subject: str, relation: str, type_: str, context: Mapping[str, Any],
        contextual: tuple[RelationTuple, ...] = (),
    ) -> Listed:  # fmt: skip
        """The objects of a type to which the subject has the relation; `contextual` as in a question."""
        ...

    async def subjects(self, object_: str, relation: str, type_: str, context: Mapping[str, Any]) -> Listed:
        """The subjects of a type that have the relation to the object."""
        ...

    async def relations_of(self, type_: str, *, beside: str | None = None) -> tuple[str, ...]:
        """The names of the relations that a model defines for a type; none for a type that it does not. The model is the one
        that defines the type `beside`, where that is given."""
        ...
