"""Where the vault can go, and what people have connected."""

from __future__ import annotations

from typing import Any, Final, Literal

from msgspec import Struct, field

from remit_server.records.provider import Upstream
from remit_server.records.proxy import ProxyRule

ORGANISATION = "organisation"
"""The `user_id` of an account that belongs to nobody in particular: an administrator connected it for everybody who may
borrow it."""


class Connection(Upstream, frozen=True, kw_only=True):
    """An upstream provider as configured here: how it is spoken to, our client there, and the scopes that may be asked for.
    It is complete: what the catalog said was written into it when it was applied."""

    name: str
    provider: str
    use: tuple[str, ...] = ("connected_accounts",)
    client_id: str = ""
    client_secret: str | None = None
    """Sealed with the row."""
    scopes: tuple[str, ...] = ()
    scope_words: dict[str, str] = field(default_factory=dict)
    """Scopes in words for the person, as far as they are known."""
    display_name: str | None = None
    lend_wider: bool = False
    """Where the provider gives nothing narrower, a token may allow more than the agent may borrow, up to `scopes`."""
    shared_with: tuple[str, ...] = ()
    """Groups whose members may borrow the organisation's accounts here; empty: nobody."""
    proxy: tuple[ProxyRule, ...] = ()
    """What may be called here through the vault at all; each agent's own rules lie within. Empty: nothing."""
    proxy_headers: tuple[str, ...] = ()
    """Request headers that go up beside the usual ones."""


class Narrowed(Struct, frozen=True, kw_only=True):
    """An access token for less than the account allows, for a client that may not borrow all of it."""

    asked: tuple[str, ...]
    scopes: tuple[str, ...]
    """What the provider says it carries; a provider may ignore the wish."""
    access_token: str
    issued_at: int
    expires_at: int | None = None


class ConnectedAccount(Struct, frozen=True, kw_only=True):
    """A person's account at a provider. The row is sealed; only what a statement filters on is a column."""

    id: str
    user_id: str
    connection: str
    home: str = ""
    """Whom its keys may be shown to: `rules.connection.home_of` the connection when the account was connected."""
    label: str | None = None
    """What the provider calls the account: an e-mail address or a name."""
    upstream_id: str | None = None
    scopes: tuple[str, ...] = ()
    access_token: str | None = None
    access_expires_at: int | None = None
    """None: the provider did not say, and the token is used until it is refused."""
    refresh_token: str | None = None
    credentials: dict[str, str] = field(default_factory=dict)
    """What the person typed, by the name of the field, where there are keys and passwords instead of tokens."""
    values: dict[str, str] = field(default_factory=dict)
    """What `account_values` of the connection asks to be kept."""
    narrowed: tuple[Narrowed, ...] = ()
    state: Literal["ok", "reconnect", "disconnected"] = "ok"
    """`disconnected` is a disconnect under way: nobody borrows any more, the provider is being told, the row goes last."""
    cause: str | None = None
    """Why the state is not ok, in words for the person."""
    failing_since: int | None = None
    """Since when the provider gives nothing new, for a reason that time may mend; None while all is well."""
    failure: str | None = None
    """That reason, in words for people."""
    failures: int = 0
    """Attempts that failed since then."""
    retry_at: int = 0
    """The provider is not asked again before."""
    unanswered: int = 0
    """Refreshes that were sent with this refresh token and of which we do not know what became: it may have been spent."""
    version: int = 0
    lease_until: int = 0
    """Seconds; whoever holds the lease is the one refresher."""
    lease_holder: str = ""
    created_at: int = 0
    refreshed_at: int | None = None
    """When the access token was issued."""
    used_at: int | None = None
    used_by: str | None = None
    limited: bool = False
    """Only agents with a lending of their own may use it."""
    chosen: int = 0
    """Grows with each choice of a default among a person's accounts at a connection: the highest is the default, and of
    those that nobody chose, the oldest. Whichever account goes, one of the others is it, and never two."""
    default: bool = False
    """What agents get that name no account. Worked out when a person's accounts are read together; not stored."""


WELL: Final[dict[str, Any]] = {
    "state": "ok", "cause": None, "failing_since": None, "failure": None, "failures": 0, "retry_at": 0, "unanswered": 0,
}  # fmt: skip
"""The members of an account whose provider has just given something new."""


ASKED, SENT, RETURNED, HELD, DONE = range(5)
"""The stages of a connect flow: the link exists; the person is at the provider; the person came back, and its code is ours
to redeem, once; the provider's answer waits for the client's `complete`; over."""


class ConnectAttempt(Struct, frozen=True, kw_only=True):
    """A connect flow under way. Sealed: it holds the upstream PKCE verifier, and for a moment the upstream tokens."""

    ticket: str
    """SHA-256 of the ticket in the connect link."""
    user_id: str
    """Nobody else may open the link."""
    connection: str
    client_id: str | None = None
    """The agent or app that asked; None when the person came by themselves."""
    shared: bool = False
    """An administrator connects on behalf of the organisation."""
    account_id: str | None = None
    """The account that the person means to renew or widen; None for another one."""
    asked: tuple[str, ...] = ()
    """The scopes that are asked for, without those that the account has already."""
    away: bool = False
    """The person lets the asking agent use the account while they are away."""
    redirect_uri: str | None = None
    """Where the client waits (My Account API); None when the flow ends on a page of ours."""
    state: str | None = None
    challenge: str = ""
    """PKCE S256 challenge of the client that will call `complete`."""
    auth_session: str = ""
    """SHA-256 of the auth_session that `complete` must present."""
    upstream_state: str | None = None
    """SHA-256 of the `state` sent upstream."""
    upstream_verifier: str | None = None
    connect_code: str | None = None
    """SHA-256 of the code handed back to the client's redirect URI."""
    account: ConnectedAccount | None = None
    """What upstream answered, kept until `complete` proves that the same client and person came back."""
    scopes: tuple[str, ...] = ()
    """What the provider is asked for."""
    authorization_params: dict[str, str] = field(default_factory=dict)
    created_at: int = 0
    expires_at: int = 0
    step: int = ASKED

    @property
    def owner(self) -> str:
        """Whose the account will be."""
        return ORGANISATION if self.shared else self.user_id
