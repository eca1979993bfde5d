"""Connected accounts and the connect flow."""

from typing import ClassVar, Literal

from msgspec import Struct

from remit_server.ui.views.parts import View, Viewer


class Account(Struct, frozen=True, kw_only=True):
    """An account at a provider that the vault holds a grant for."""

    id: str
    provider: str
    label: str
    """Which account there: an e-mail address or a name."""
    scopes: tuple[str, ...]
    """What was granted, in plain words where the catalog has them."""
    connected_at: int
    last_used_at: int | None = None
    last_used_by: str | None = None
    """Name of the agent."""
    health: Literal["working", "expiring", "reconnect"] = "working"
    cause: str | None = None
    """Why it is not simply working: "The provider took the grant back on 3 Nov."."""


class Offer(Struct, frozen=True, kw_only=True):
    """A provider that could be connected."""

    connection: str
    provider: str
    purpose: str
    """What agents would do with it, in a few words."""


class AccountsView(View, frozen=True, kw_only=True):
    """`/accounts`. Posts `csrf` to `/accounts/{id}/reconnect` and `/accounts/{id}/disconnect`;
    `csrf`, `connection` to `/accounts/connect`."""

    template: ClassVar[str] = "accounts.html"
    csrf: str
    viewer: Viewer
    now: int
    accounts: tuple[Account, ...] = ()
    offers: tuple[Offer, ...] = ()
    done: str | None = None
    """What just happened: "Calendar is disconnected. The provider confirmed it."."""


class ConnectStartView(View, frozen=True, kw_only=True):
    """Before leaving for the provider. Posts `csrf`, `ticket`, `answer` (`continue` or `cancel`) to
    `/accounts/connect/start`; the page's `form_targets` hold the origin of the app that a `cancel` returns to."""

    template: ClassVar[str] = "connect-start.html"
    csrf: str
    viewer: Viewer
    ticket: str
    provider: str
    provider_host: str
    agent_name: str | None = None
    """The agent that asked; `None` when the person came by themselves."""
    scopes: tuple[str, ...]


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
    """The account, once connected; `None` when it failed."""
    problem: str | None = None
    """Why it failed, in plain words; `None` when it did not."""
    return_href: str | None = None
    return_name: str | None = None
