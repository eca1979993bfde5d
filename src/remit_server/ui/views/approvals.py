"""Approvals: the inbox, what is over, the card, and what is allowed ahead."""

from typing import ClassVar, Literal

from msgspec import Struct

from remit_server.ui.views.parts import Agent, Choice, Fact, View, Viewer

Over = Literal["approved", "used", "partly", "lapsed", "denied", "expired"]
"""`approved` is not used yet; `used` is used up, `partly` for some of the details; `lapsed` was never used, and cannot be."""
State = Literal["pending", "asking"] | Over
"""`asking`: the person has asked something, and the agent has not replied yet. It may be answered all the same."""


class Waiting(Struct, frozen=True, kw_only=True):
    """A request that waits for this person, or for the agent's reply to them."""

    id: str
    agent_name: str
    act: str
    """As in `ApprovalView.act`."""
    asked_at: int
    expires_at: int
    unusual: str | None = None
    """The first difference from usual, when there is one."""
    replied: bool = False
    """The agent has answered a question of the person."""


class Decided(Struct, frozen=True, kw_only=True):
    """A request that is over."""

    id: str
    agent_name: str
    act: str
    state: Over
    at: int
    """When that state was reached."""
    reason: str | None = None
    """Why it was denied."""
    edited: bool = False
    """Less was approved than was asked."""
    ahead: bool = False
    """An allowance answered in the person's place."""


class ApprovalsView(View, frozen=True, kw_only=True):
    """`/approvals?agent=`: the inbox."""

    template: ClassVar[str] = "approvals.html"
    viewer: Viewer
    now: int
    after: int = 0
    """The number of the newest event of this person that the page has in it."""
    waiting: tuple[Waiting, ...] = ()
    """Soonest to expire first."""
    asking: tuple[Waiting, ...] = ()
    """Those that wait for the agent's reply."""
    decided: tuple[Decided, ...] = ()
    """The latest few, latest first."""
    agents: tuple[Choice, ...] = ()
    """What the filter offers; no filter when there is but one."""
    agent: str = ""
    """The chosen value; empty for all."""


class HistoryView(View, frozen=True, kw_only=True):
    """`/approvals/history?agent=&outcome=&before=`: what is over."""

    template: ClassVar[str] = "history.html"
    viewer: Viewer
    now: int
    decided: tuple[Decided, ...] = ()
    """Latest first."""
    agents: tuple[Choice, ...] = ()
    agent: str = ""
    outcomes: tuple[Choice, ...] = ()
    outcome: str = ""
    """The chosen value; empty for all."""
    older_href: str | None = None
    newest: bool = True
    """False: newer ones are on another page."""


class Option(Struct, frozen=True, kw_only=True):
    """One of several."""

    value: str
    label: str
    chosen: bool = False


class Field(Struct, frozen=True, kw_only=True):
    """A value that the person may make less."""

    name: str
    label: str
    kind: Literal["number", "money", "time", "boxes", "choice"]
    value: str = ""
    hint: str = ""
    """How far it goes: "A whole number, at most 10."."""
    options: tuple[Option, ...] = ()
    """Of `boxes` (named `{name}.{value}`) and of a `choice`."""


class Said(Struct, frozen=True, kw_only=True):
    """One message between the person and the agent."""

    mine: bool
    at: int
    text: str


class Ahead(Struct, frozen=True, kw_only=True):
    """What the person may allow ahead with this answer. Sent as `remember`, `ahead_until`, `ahead_times`, `ahead_each`,
    `ahead_total` and the boxes."""

    ends: tuple[Option, ...]
    """Values are moments."""
    times: str
    currency: str | None = None
    """`None`: this kind moves no money."""
    each: str = ""
    total: str = ""
    limits: tuple[Option, ...] = ()
    """Boxes: what must be as it is here."""
    open: bool = False
    """The person was at it when the answer could not be taken."""


class Proof(Struct, frozen=True, kw_only=True):
    """What approving takes besides a press."""

    needed: bool = False
    passkey: bool = False
    code: bool = False
    set_up: str | None = None
    """Where the person gets something to prove themselves with."""
    say: str = ""
    """Why approving is not possible yet, in words for a link."""


class ApprovalView(View, frozen=True, kw_only=True):
    """`/approvals/{id}`: the card. Posts to `/approvals/{id}` always `csrf`, `digest`, `version`, `answer`, and with it

    - `approve`: the fields, those of `Ahead`, `assertion` and `code`;
    - `deny`: `reason` (`not_me`, `wrong_amount`, `not_now` or absent), `reason_text`, `block`, `report`;
    - `ask`: `question`."""

    template: ClassVar[str] = "approval.html"
    csrf: str
    viewer: Viewer
    now: int
    id: str
    digest: str
    """Digest of the details that are on this page; an answer to other details is refused."""
    after: int = 0
    """The number of the newest event of this person that the page has in it."""
    version: str = "0"
    """Which state of the request this page shows; an answer to another is refused."""
    state: State
    agent: Agent
    first_time: bool = False
    """It has never asked this person before."""
    purpose: str | None = None
    """What the agent is for, in the words of whoever registered it."""
    act: str
    """What the agent wants to do, from our template of the type: reads on after "wants to" and before "for you"."""
    known: bool = True
    """False: no such detail type in the catalog; the card warns."""
    facts: tuple[Fact, ...]
    agent_says: str | None = None
    """The agent's own reason (`binding_message`); plain text, shown as a quotation."""
    origin: tuple[str, ...] = ()
    """What led here: "asked from 127.0.0.1"."""
    differences: tuple[str, ...] = ()
    """What is not as usual: "3× your usual order size"."""
    risk: Literal["low", "high"] = "low"
    risk_why: tuple[str, ...] = ()
    """What makes it high: "more than a small amount"."""
    effect: str
    """What approving does: "One order, once, within 5 minutes."."""
    expires_at: int
    fields: tuple[Field, ...] = ()
    """What may be made less; none where nothing may."""
    editing: bool = False
    """The person was at it when the answer could not be taken."""
    thread: tuple[Said, ...] = ()
    """Oldest first."""
    may_ask: bool = False
    question: str = ""
    """What was typed as a question, when it could not be taken."""
    ahead: Ahead | None = None
    proof: Proof = Proof()
    decided_at: int | None = None
    reason: str | None = None
    """Why it was denied, as a sentence."""
    reason_text: str = ""
    """What was typed as a reason, when the answer could not be taken."""
    error: str | None = None
    """Why the answer could not be taken: "The amounts changed while you read. Look again."."""
    changes: tuple[str, ...] = ()
    """In what less was approved: "Shares: 10 × ZEKO → 8 × ZEKO"."""
    by_allowance: bool = False
    """An allowance answered in the person's place."""
    until: int | None = None
    """Until when what was approved may be used."""
    used_at: int | None = None
    used_by: str | None = None
    """The API that used it, by name."""


class StopView(View, frozen=True, kw_only=True):
    """`/approvals/{id}/stop`. Posts `csrf` and, if ticked, `report` to itself."""

    template: ClassVar[str] = "stop.html"
    csrf: str
    viewer: Viewer
    now: int
    id: str
    agent: Agent
    ends: tuple[str, ...] = ()
    """Sentences: what ends."""
    done: bool = False


class Allowed(Struct, frozen=True, kw_only=True):
    """A yes given ahead. Posts `csrf` to `/allowances/{id}/revoke`."""

    id: str
    agent_name: str
    title: str
    """The kind: "Order at a broker"."""
    facts: tuple[Fact, ...]
    given_at: int
    ends_at: int
    used_at: int | None = None
    uses: int = 0
    times: int = 1
    spent: str | None = None
    """"82.40 of 500.00 USD"; `None` where no money is moved."""
    share: int = 0
    """Percent of it that is used up."""
    over: Literal["taken back", "expired", "used up"] | None = None


class Blocked(Struct, frozen=True, kw_only=True):
    """An agent that may not ask any more. Posts `csrf` to `/allowances/blocked/{client_id}/unblock`."""

    client_id: str
    agent_name: str
    at: int


class AllowancesView(View, frozen=True, kw_only=True):
    """`/allowances`: what need not be asked, and who may not ask."""

    template: ClassVar[str] = "allowances.html"
    csrf: str
    viewer: Viewer
    now: int
    allowances: tuple[Allowed, ...] = ()
    """Those in force first."""
    blocked: tuple[Blocked, ...] = ()
    done: str | None = None
