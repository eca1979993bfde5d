"""Settings of a running server: read once, typed, explained. Half a setting refuses to start.

What the organisation declares (users, clients, APIs, connections, …) is not here: that is the manifest, applied to the store.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

from remit_server.errors import ConfigurationError

_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_YEARS = 10 * 365 * 86400
_BOUNDS = {  # least and most, both included
    "code_lifetime": (1, 600),  # RFC 6749 section 4.1.2
    "id_token_lifetime": (1, 86400),  # as long as a retired signing key stays published
    "access_token_lifetime": (1, 86400),
    "refresh_token_lifetime": (1, _YEARS),
    "refresh_grace": (0, 3600),
    "refresh_grace_after": (0, 3600),
    "agreement_lifetime": (86400, _YEARS),
    "unused_client_lifetime": (0, _YEARS),
    "session_lifetime": (1, _YEARS),
    "interaction_lifetime": (1, 86400),
    "pushed_request_lifetime": (5, 600),  # RFC 9126 section 2.2
    "device_code_lifetime": (1, 3600),
    "approval_lifetime": (1, _YEARS),
    "longest_approval": (1, _YEARS),
    "poll_interval": (1, 3600),
    "longest_poll": (0, 30),  # CIBA Core 1.0 section 7.3
    "asks_per_agent": (1, 1_000_000),
    "asks_per_person": (1, 1_000_000),
    "assertion_lifetime": (1, 3600),
    "dpop_window": (1, 600),
    "clock_skew": (0, 300),
    "proxy_patience": (1, 600),
    "proxy_silence": (1, 600),
    "proxy_time": (1, 3600),
    "proxy_largest_request": (0, 2**40),
    "proxy_largest_answer": (0, 2**40),
    "login_attempts": (1, 1_000_000),
    "signing_key_age": (0, _YEARS),
    "relation_tuples": (1, 10_000),
    "relation_contextual": (0, 10_000),
    "relation_checks": (1, 10_000),
    "relation_page": (1, 10_000),
    "relation_results": (1, 10_000_000),
    "relation_model": (1024, 1024 * 1024),
}


class RelationsServer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An OpenFGA server that answers for the relations in the place of Remit's own engine: `relations_server:` in `settings:`.
    It is told who we are by an API token or by client credentials; one that is told neither must be shut off from others."""

    url: str
    """Where it is, such as `https://fga.example`; https, and http for a loopback issuer only. An address in an inner network
    must lie in `private_networks`."""
    store: str
    """The id of the store that is asked."""
    model: str | None = None
    """The id of the model that is asked; absent: always the newest."""
    token: str | None = None
    """An API token."""
    token_endpoint: str | None = None
    """Where `client_id` and `client_secret` get an access token (RFC 6749 section 4.4)."""
    client_id: str | None = None
    """Of us, at `token_endpoint`."""
    client_secret: str | None = None
    """Of `client_id`."""
    audience: str | None = None
    """The `audience` that `token_endpoint` is asked for."""

    def __post_init__(self) -> None:
        for name in ("url", "token_endpoint"):
            parts = urlsplit(value) if (value := getattr(self, name)) else None
            if parts and (
                parts.scheme not in {"https", "http"} or not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment
            ):  # fmt: skip
                raise ConfigurationError(
                    f"relations_server: {name} must be an absolute URL without user information, query and fragment"
                )
        if not _ULID.fullmatch(self.store) or (self.model is not None and not _ULID.fullmatch(self.model)):
            raise ConfigurationError(
                "relations_server: store and model are ids of 26 characters, as OpenFGA gives them"
            )
        whole = (self.token_endpoint, self.client_id, self.client_secret)
        if any(whole) and not all(whole):
            raise ConfigurationError("relations_server: token_endpoint, client_id and client_secret belong together")
        if self.token and any(whole):
            raise ConfigurationError("relations_server: either token or client credentials")


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting, with its unit. Durations are seconds."""

    issuer: str
    """The issuer identifier (RFC 8414 section 2), byte for byte as tokens carry it, with or without a trailing slash."""

    code_lifetime: int = 60
    """Of authorization codes."""
    id_token_lifetime: int = 3600
    """Of ID tokens."""
    access_token_lifetime: int = 300
    """Of access tokens for no API in particular; an API sets its own."""
    refresh_token_lifetime: int = 30 * 86400
    """Of refresh tokens; each rotation starts it anew."""
    refresh_grace: int = 30
    """A spent refresh token may be answered once more within this time, for a client whose reply was lost. 0 turns it off."""
    refresh_grace_after: int = 2
    """A repeat sooner than this is a race, not a lost reply, and loses without harm to the winner."""
    agreement_lifetime: int = 365 * 86400
    """Of agreements under which no token is left, from when they were made: so long nobody is asked again."""
    unused_client_lifetime: int = 30 * 86400
    """Of clients that registered themselves and that hold neither a token nor an agreement. 0: they stay."""
    session_lifetime: int = 12 * 3600
    """Of a browser session."""
    interaction_lifetime: int = 900
    """How long a person may take to sign in and consent."""
    pushed_request_lifetime: int = 90
    """Of request_uris (RFC 9126 section 2.2: 5 to 600)."""
    device_code_lifetime: int = 600
    """Of device and user codes (RFC 8628)."""
    approval_lifetime: int = 300
    """Of a request for approval whose client asks for no other time."""
    longest_approval: int = 30 * 86400
    """The longest `requested_expiry` that is granted (CIBA section 7.1)."""
    poll_interval: int = 5
    """Between polls of a pending decision."""
    longest_poll: int = 25
    """A poll that prefers to wait (RFC 7240) is held so long at most. 0: none is."""
    asks_per_agent: int = 60
    """Requests for approval that one agent may put to one person in an hour."""
    asks_per_person: int = 200
    """Requests for approval that all agents together may put to one person in an hour."""
    unknown_users: Literal["refused", "silent"] = "refused"
    """What an agent hears that asks somebody who is not there or may not be asked by it: an error, or nothing until the request
    expires, as of a person who does not answer."""
    high_risk_proof: Literal["passkey", "passkey_or_code"] = "passkey"
    """What approving a request of high risk takes: a passkey, or, of somebody who has none, a code of their authenticator app,
    which a false page can ask for, too."""
    assertion_lifetime: int = 300
    """The longest life of a client assertion that is accepted."""
    dpop_window: int = 60
    """How far the `iat` of a DPoP proof may be off."""
    dpop_nonces: bool = False
    """Demand a server nonce in every DPoP proof (RFC 9449 section 8)."""
    clock_skew: int = 10
    """Tolerance towards other parties' clocks."""
    default_audience: str | None = None
    """The API meant by a request that names none."""
    access_audience: str | None = None
    """The API that tokens for `/stores` and `/access` are for; absent: `/access/` under the issuer."""
    relations_server: RelationsServer | None = None
    """An OpenFGA server that is asked about relations; absent: Remit's own engine is. See RelationsServer."""
    relation_tuples: int = 100
    """Tuples that one request to `/stores` may write and delete."""
    relation_contextual: int = 100
    """Tuples that a question may bring along."""
    relation_checks: int = 50
    """Questions in one batch-check; OpenFGA's SDKs send 50 at a time unless they are told otherwise."""
    relation_page: int = 100
    """The largest `page_size` of stores, models, tuples and changes."""
    relation_results: int = 1000
    """Objects or users in one answer of list-objects or list-users; where there are more, the answer says so and how to go on."""
    relation_model: int = 256 * 1024
    """Bytes of an authorization model."""
    registration: Literal["off", "token", "open"] = "off"
    """Dynamic client registration (RFC 7591): nobody, who holds the initial access token, or anybody (rate-limited)."""
    registration_token: str | None = None
    """The initial access token of `registration: token`."""
    signing_alg: Literal["RS256", "ES256", "PS256", "EdDSA"] = "RS256"
    """Of ID tokens, logout tokens, and access tokens for no API in particular."""
    login_attempts: int = 10
    """Failed sign-ins per account and per address in 15 minutes before a pause."""
    private_networks: tuple[str, ...] = ()
    """Networks (CIDR) that outgoing requests may reach although they are private. Loopback is allowed for a loopback issuer."""
    proxy_patience: int = 60
    """Until the answer to a proxied call begins, once the request is with the provider."""
    proxy_silence: int = 30
    """Between two pieces of a proxied body, in either direction."""
    proxy_time: int = 600
    """Of a whole proxied call."""
    proxy_largest_request: int = 64 * 1024 * 1024
    """Bytes of a proxied request's body."""
    proxy_largest_answer: int = 256 * 1024 * 1024
    """Bytes of a proxied answer's body, unpacked."""
    signing_key_age: int = 90 * 86400
    """Signing keys older than this are rotated by themselves. 0 turns it off."""
    metrics_token: str | None = None
    """Who brings it as a bearer token may read /metrics; absent: this machine only."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """From `warning` on there is no line for each request."""
    otlp_endpoint: str | None = None
    """Base URL of an OpenTelemetry collector (OTLP over HTTP, such as http://127.0.0.1:4318); absent: no traces."""

    def __post_init__(self) -> None:
        url = urlsplit(self.issuer)
        if url.query or url.fragment or not url.hostname:
            raise ConfigurationError(
                "the issuer must be an absolute URL without query and fragment (RFC 8414 section 2)"
            )
        if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.hostname)):
            raise ConfigurationError("the issuer must be https; http is accepted for a loopback address only")
        if self.registration == "token" and not self.registration_token:
            raise ConfigurationError("registration: token needs registration_token")
        for name, (least, most) in _BOUNDS.items():
            if not least <= getattr(self, name) <= most:
                raise ConfigurationError(f"{name} must be {least} to {most}")
        for network in self.private_networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise ConfigurationError(f"private_networks: {error}") from error
        if self.refresh_grace and self.refresh_grace_after >= self.refresh_grace:
            raise ConfigurationError("refresh_grace_after must be shorter than refresh_grace")

    def url(self, path: str) -> str:
        """The absolute URL of a path of ours, such as `/oauth/token`."""
        return self.issuer.rstrip("/") + path

    @property
    def secure(self) -> bool:
        """Whether browsers reach us over TLS: cookies are then `Secure` and carry the `__Host-` prefix."""
        return self.issuer.startswith("https:")

    @property
    def loopback(self) -> bool:
        return is_loopback(urlsplit(self.issuer).hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a host name or address literal means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
