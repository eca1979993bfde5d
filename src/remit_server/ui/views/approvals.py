"""Approvals: the inbox and the card."""

from typing import ClassVar, Literal

from msgspec import Struct

from remit_server.ui.views.parts import Agent, Choice, Fact, View, Viewer

State = Literal["pending", "approved", "used", "lapsed", "denied", "expired"]
"""`used` is approved and taken by the agent; `approved` alone shows as "not used yet"; `lapsed` was not taken in time."""


class Waiting(Struct, frozen=True, kw_only=True):
    """A request that waits for this person."""

    id: str
    agent_name: str
    act: str
    """As in `ApprovalView.act`."""
    asked_at: int
    expires_at: int
    unusual: str | None = None
    """The first difference from usual, when there is one."""


class Decided(Struct, frozen=True, kw_only=True):
    """A request that is over."""

    id: str
    agent_name: str
    act: str
    state: Literal["approved", "used", "lapsed", "denied", "expired"]
    at: int
    """When that state was reached."""
    reason: str | None = None
    """Why it was denied."""


class ApprovalsView(View, frozen=True, kw_only=True):
    """`/approvals?agent=`: the inbox."""

    template: ClassVar[str] = "approvals.html"
    viewer: Viewer
    now: int
    after: int = 0
    """The number of the newest event of this person that the page has in it."""
    waiting: tuple[Waiting, ...] = ()
    """Soonest to expire first."""
    decided: tuple[Decided, ...] = ()
    """Latest first."""
    agents: tuple[Choice, ...] = ()
    """What the filter offers; no filter when there is but one."""
    agent: str = ""
    """The chosen value; empty for all."""
    older_href: str | None = None


class Request(Struct, frozen=True, kw_only=True):
    """What the person themselves had asked for."""

    text: str
    at: int


class ApprovalView(View, frozen=True, kw_only=True):
    """`/approvals/{id}`: the card. Posts to `/approvals/{id}` either `csrf`, `digest`, `version`, `answer=approve`
    or `csrf`, `digest`, `version`, `answer=deny`, `reason` (`not_me`, `wrong_amount`, `not_now` or absent), `reason_text`."""

    template: ClassVar[str] = "approval.html"
    csrf: str
    viewer: Viewer
    now: int
    id: str
    digest: str
    """Digest of the details that are on this page; an answer to other details is refused."""
    version: str = "0"
    """Which state of the request this page shows; an answer to another is refused."""
    state: State
    agent: Agent
    act: str
    """What the agent wants to do, from our template of the type: reads on after "wants to" and before "for you"."""
    known: bool = True
    """False: no such detail type in the catalog; the card warns."""
    facts: tuple[Fact, ...]
    agent_says: str | None = None
    """The agent's own reason (`binding_message` or the details' own); plain text, shown as a quotation."""
    request: Request | None = None
    """What led here; `None` says that nothing recent did."""
    origin: tuple[str, ...] = ()
    """More of what led here: "price seen: 41.07", "run 8f2c", "from a terminal, 127.0.0.1"."""
    differences: tuple[str, ...] = ()
    """What is not as usual: "3× your usual order size"."""
    effect: str
    """What approving does: "One order, within 5 minutes, once."."""
    match_code: str | None = None
    """Shown by the agent, too; both must be the same."""
    expires_at: int
    decided_at: int | None = None
    reason: str | None = None
    """Why it was denied, as a sentence."""
    reason_text: str = ""
    """What was typed as a reason, when the answer could not be taken."""
    error: str | None = None
    """Why the answer could not be taken: "The amounts changed while you read. Look again."."""
    used_at: int | None = None
    result: str | None = None
    """What came of it, told by the API: "order 81 filled, 10 at 41.07"."""
