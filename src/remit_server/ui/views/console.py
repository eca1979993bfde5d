"""The administrator's page."""

from typing import ClassVar, Literal

from msgspec import Struct

from remit_server.ui.views.parts import View, Viewer


class Step(Struct, frozen=True, kw_only=True):
    """A line of the setup checklist."""

    words: str
    done: bool
    how: str | None = None
    """What to do: a command or a sentence."""


class AgentRow(Struct, frozen=True, kw_only=True):
    id: str
    """Client id."""
    name: str
    kind: str
    state: Literal["active", "suspended"]
    owner: str | None
    purpose: str
    last_seen_at: int | None
    self_registered: bool = False


class UserRow(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    email: str
    groups: tuple[str, ...] = ()
    administrator: bool = False
    last_seen_at: int | None = None


class ConnectionRow(Struct, frozen=True, kw_only=True):
    name: str
    provider: str
    redirect_uri: str
    """To be pasted at the provider, byte for byte."""
    uses: tuple[str, ...]
    """`authentication`, `connected_accounts`."""
    accounts: int = 0


class KeyRow(Struct, frozen=True, kw_only=True):
    kid: str
    alg: str
    state: Literal["next", "signing", "verifying"]
    """`verifying`: no longer signs, and stays published until what it signed has expired."""
    since: int


class ConsoleView(View, frozen=True, kw_only=True):
    """`/console`. Posts `csrf` to `/console/agents/{id}/suspend` or `/console/agents/{id}/resume`."""

    template: ClassVar[str] = "console.html"
    csrf: str
    viewer: Viewer
    now: int
    organisation: str
    issuer: str
    checklist: tuple[Step, ...] = ()
    agents: tuple[AgentRow, ...] = ()
    users: tuple[UserRow, ...] = ()
    connections: tuple[ConnectionRow, ...] = ()
    keys: tuple[KeyRow, ...] = ()
    done: str | None = None
    """What just happened: "Trading assistant is suspended."."""
