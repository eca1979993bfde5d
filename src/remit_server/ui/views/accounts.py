"""Connected accounts and the connect flow."""

from typing import ClassVar, Literal

from msgspec import Struct

from remit_server.ui.views.parts import Agent, View, Viewer


class Scope(Struct, frozen=True, kw_only=True):
    """One thing that an account lets agents do."""

    scope: str
    words: str | None = None
    """In plain words, as the catalog or the operator gave them: "See your calendars"."""
    new: bool = False
    """Asked for now, and not granted before."""


class Use(Struct, frozen=True, kw_only=True):
    """An agent beside an account."""

    client_id: str
    name: str
    may: bool
    """Whether it may use the account now."""
    away: bool = False
    """Also while the person is away."""
    last_used_at: int | None = None


class Account(Struct, frozen=True, kw_only=True):
    """An account at a provider that the vault holds a grant for."""

    id: str
    label: str
    """Which account there: an e-mail address or a name."""
    shared_by: str | None = None
    """The organisation whose account it is; None for the person's own."""
    may_change: bool = True
    """Whether this person may reconnect, limit and disconnect it."""
    scopes: tuple[Scope, ...] = ()
    connected_at: int
    renewed_at: int | None = None
    """When the provider last gave new access; None before the first time."""
    ends_at: int | None = None
    """When the provider will forget the grant, if no agent uses it before; told only when that is near."""
    default: bool = False
    """Agents that name no account get this one."""
    may_default: bool = False
    """There are several, and this is not the default."""
    limited: bool = False
    """Only the agents of the person's choice may use it."""
    agents: tuple[Use, ...] = ()
    """All that the organisation set up for the provider, and whoever used the account."""
    health: Literal["working", "trouble", "reconnect"] = "working"
    since: int | None = None
    """When the trouble began."""
    cause: str | None = None
    """Why it is not simply working: "The provider took the grant back."."""
    takes_over: str | None = None
    """Label of the account that agents would go on with after a disconnect."""

    @property
    def users(self) -> tuple[Use, ...]:
        """The agents that may use it, or did."""
        return tuple(each for each in self.agents if each.may or each.last_used_at is not None)


class Provider(Struct, frozen=True, kw_only=True):
    """A provider, and what is connected there."""

    connection: str
    title: str
    accounts: tuple[Account, ...]
    may_connect: bool = True
    may_share: bool = False
    """This person may connect an account there on behalf of the organisation."""


class Offer(Struct, frozen=True, kw_only=True):
    """A provider that could be connected."""

    connection: str
    title: str
    purpose: str
    """What agents would do with it, in a few words."""
    may_share: bool = False


class AccountsView(View, frozen=True, kw_only=True):
    """`/accounts`. Posts `csrf` to `/accounts/{id}/` + `reconnect`, `default`, `disconnect`, `agents` (there `limited` (`yes`
    or `no`), and `agent` and `away`, repeated, with ids of agents); `csrf`, `connection`, `for` (`me` or `organisation`) to
    `/accounts/connect`."""

    template: ClassVar[str] = "accounts.html"
    csrf: str
    viewer: Viewer
    now: int
    organisation: str
    providers: tuple[Provider, ...] = ()
    offers: tuple[Offer, ...] = ()
    done: str | None = None
    """What just happened: "Calendar is disconnected. The provider confirmed it."."""


class Candidate(Struct, frozen=True, kw_only=True):
    """An account that a connect flow may renew or widen."""

    id: str
    label: str
    already: str
    """What it lets agents do already, in a few words."""
    chosen: bool = False


class Typed(Struct, frozen=True, kw_only=True):
    """A field for a key or a password."""

    name: str
    title: str
    secret: bool
    help: str | None = None
    """Where it is found, a URL at the provider."""
    value: str = ""
    """What was typed before, of what is not secret."""
    error: str | None = None


class ConnectStartView(View, frozen=True, kw_only=True):
    """Before leaving for the provider. Posts `csrf`, `ticket`, `answer` (`continue` or `cancel`), `account` (an id, or `new`),
    `away` (`yes` when ticked) and `field.` + name of what is typed to `/accounts/connect/start`; the page's `form_targets`
    hold the origin of the app that a `cancel` returns to."""

    template: ClassVar[str] = "connect-start.html"
    csrf: str
    viewer: Viewer
    now: int
    ticket: str
    provider: str
    provider_host: str | None = None
    """Where the person signs in; None where they type a key here."""
    agent: Agent | None = None
    """Who asks; `None` when the person came by themselves."""
    purpose: str | None = None
    """The agent's own description of itself; shown as a quotation."""
    organisation: str | None = None
    """On behalf of which organisation it is connected; None for the person's own."""
    borrowers: tuple[str, ...] = ()
    """Groups whose members may borrow an account of the organisation."""
    scopes: tuple[Scope, ...] = ()
    accumulates: bool = False
    """The provider adds this to all that the person allowed our client there before."""
    candidates: tuple[Candidate, ...] = ()
    fields: tuple[Typed, ...] = ()
    away: bool = False
    """The box was ticked before what was typed turned out wrong."""
    away_already: bool = False
    """The person let this agent use the proposed account while they are away before."""


class ConnectLeaveView(View, frozen=True, kw_only=True):
    """Sends the browser on to the provider."""

    template: ClassVar[str] = "connect-leave.html"
    provider: str
    href: str


class ConnectDoneView(View, frozen=True, kw_only=True):
    """Back from the provider."""

    template: ClassVar[str] = "connect-done.html"
    viewer: Viewer
    provider: str
    label: str | None = None
    """The account, once connected."""
    instead_of: str | None = None
    """The account that was meant, when the person signed in there as somebody else."""
    waits: bool = False
    """An agent waits for this."""
    problem: str | None = None
    """Why it failed, in plain words; `None` when it did not."""
