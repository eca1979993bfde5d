"""Who asks: an OAuth client. An agent is a client with an owner, a purpose and a life of its own."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from remit_server.records.proxy import ProxyRule

ClientKind = Literal["agent", "web", "native", "spa", "api", "mcp", "service"]
ClientState = Literal["active", "suspended", "retired"]
SecretHash = str  # hex of HMAC-SHA-256 under the server's pepper; the secret itself is never stored

AUTH_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")


class Client(Struct, frozen=True, kw_only=True):
    """An OAuth client (RFC 6749 section 2, RFC 7591 section 2)."""

    id: str
    name: str
    kind: ClientKind = "web"
    state: ClientState = "active"
    owner: str | None = None
    """E-mail address of the person who answers for the client."""
    purpose: str | None = None
    auth_methods: tuple[str, ...] = ("client_secret_basic", "client_secret_post")
    """Any of AUTH_METHODS; what the client presents must be one of them."""
    secrets: tuple[SecretHash, ...] = ()
    """Several at once while a secret is being rotated."""
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    assertion_algs: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    backchannel_token_delivery_mode: Literal["poll", "ping", "push"] = "poll"  # noqa: S105
    """How it hears of an answer (CIBA Core 1.0 section 4, as the next three)."""
    backchannel_client_notification_endpoint: str | None = None
    backchannel_authentication_request_signing_alg: str | None = None
    """It asks by signed requests of this algorithm, and by no others."""
    backchannel_user_code_parameter: bool = False
    """It brings the person's own secret code, so that nobody can make it prompt a stranger."""
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    grants: tuple[str, ...] = ()
    """Short names, as in the configuration: authorization_code, refresh_token, client_credentials, device_code, ciba,
    token_exchange."""
    apis: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Audience -> scopes that the client may ask for there."""
    connections: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Connection name -> upstream scopes that the client may borrow."""
    proxy: dict[str, tuple[ProxyRule, ...]] = field(default_factory=dict)
    """Connection name -> what the client may call there through the vault. It must be in `connections` too."""
    api: str | None = None
    """For kinds `api` and `mcp`: the audience that this client is; it may exchange tokens issued for it."""
    default_scope: str = "openid"
    first_party: bool = False
    require_par: bool = False
    dpop_bound: bool = False
    """Every token of this client must be bound to a DPoP key (RFC 9449 section 5.2)."""
    dynamic: bool = False
    """Registered by itself (RFC 7591): shown as unverified, never first-party."""
    registration_token: SecretHash | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    """Further RFC 7591 members that were registered, echoed and never acted upon."""
    created_at: int = 0
    updated_at: int = 0

    @property
    def confidential(self) -> bool:
        """Whether it always proves itself: one that may leave its secret out has none."""
        return "none" not in self.auth_methods
