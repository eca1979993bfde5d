"""The manifest's form: what `remit.yaml` may say. A field's name here is the key there; a field without a default must be given.

`Secret` and `Text` are values that may stand elsewhere: `{env: NAME}` or `{file: PATH}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, Literal, get_type_hints

from msgspec import Struct, defstruct, field
from msgspec.structs import fields

from remit_server.config import RelationsServer, Settings
from remit_server.records import ProxyRule
from remit_server.records.client import ClientKind
from remit_server.records.provider import AccountLookup, AccountValue, AnswerPaths, Credential, Field, Revoke

Alg = Literal["RS256", "ES256", "PS256", "EdDSA"]
AuthMethod = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
GrantName = Literal[
    "authorization_code", "refresh_token", "client_credentials", "device_code", "ciba", "token_exchange"
]  # fmt: skip


class Secret(Struct, frozen=True):
    """A string, `{env: NAME}`, or `{file: PATH}` with the path relative to the manifest. Never shown."""

    value: str
    plain: bool = False
    """Written into the manifest itself, which `remit doctor` warns about."""

    def __repr__(self) -> str:
        return "Secret()"


class Text(Struct, frozen=True):
    """A long text: in the manifest, or `{file: PATH}`."""

    value: str


class File(Struct, frozen=True):
    """The path of a text file, relative to the manifest."""

    path: str
    text: str


class Organisation(Struct, frozen=True, kw_only=True):
    name: str = "Remit"
    domains: tuple[str, ...] = ()
    """Of its people's e-mail addresses. A message or a file for anybody else goes outside."""


class User(Struct, frozen=True, kw_only=True):
    email: str
    id: str | None = None
    """The `sub`, such as `auth0|ada`; made up as `remit|…` when absent."""
    name: str | None = None
    password: Secret | None = None
    groups: tuple[str, ...] = ()
    administrator: bool = False
    email_verified: bool = True


class TokenRules(Struct, frozen=True, kw_only=True):
    lifetime: int = 300
    """Seconds."""
    alg: Alg = "RS256"
    sender_constrained: bool = False
    """Tokens must be bound to a DPoP key (RFC 9449)."""


class Api(Struct, frozen=True, kw_only=True):
    identifier: str
    name: str
    scopes: dict[str, str] = field(default_factory=dict)
    authorization_details: tuple[str, ...] = ()
    undescribed_details: tuple[str, ...] = ()
    """Types that no document describes: shown member by member, and of high risk."""
    token: TokenRules = TokenRules()
    skip_consent: bool = False
    dynamic_clients: bool = False
    """Clients that registered themselves may ask for it."""


class Auth(Struct, frozen=True, kw_only=True):
    method: AuthMethod | None = None
    methods: tuple[AuthMethod, ...] = ()
    secret: Secret | None = None
    secrets: tuple[Secret, ...] = ()
    """Several at once, while one takes the place of another."""
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None


class Client(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    kind: ClientKind
    auth: Auth
    owner: str | None = None
    purpose: str | None = None
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    backchannel_token_delivery_mode: Literal["poll", "ping", "push"] = "poll"  # noqa: S105
    backchannel_client_notification_endpoint: str | None = None
    backchannel_authentication_request_signing_alg: Literal["RS256", "PS256", "ES256", "EdDSA"] | None = None
    backchannel_user_code_parameter: bool = False
    grants: tuple[GrantName, ...] = ()
    apis: dict[str, tuple[str, ...]] = field(default_factory=dict)
    connections: dict[str, tuple[str, ...]] = field(default_factory=dict)
    proxy: dict[str, tuple[ProxyRule, ...]] = field(default_factory=dict)
    """Connection -> what the client may call there through the vault."""
    api: str | None = None
    default_scope: str = "openid"
    first_party: bool = False
    require_par: bool = False
    dpop_bound: bool = False


class UpstreamClient(Struct, frozen=True, kw_only=True):
    """Our client at the provider."""

    id: str
    secret: Secret | None = None
    auth_method: Literal["client_secret_basic", "client_secret_post", "none"] | None = None


class Connection(Struct, frozen=True, kw_only=True):
    """An entry of the catalog by its name, or `oauth2`, `oidc`, `api_key`, `basic` with everything here. What is given here
    outranks the entry; see catalog/schema/providers.json for what each means."""

    name: str
    provider: str
    client: UpstreamClient | None = None
    use: tuple[Literal["connected_accounts", "authentication"], ...] = ("connected_accounts",)
    scopes: tuple[str, ...] | dict[str, str] | None = None
    """Those that may be asked for: a list, or each with words for the person."""
    parameters: dict[str, str] = field(default_factory=dict)
    display_name: str | None = None
    lend_wider: bool = False
    """Where the provider gives nothing narrower, lend tokens that allow more than the agent may borrow, up to `scopes`."""
    shared_with: tuple[str, ...] = ()
    proxy: tuple[ProxyRule, ...] = ()
    """What may be called there through the vault at all."""
    proxy_headers: tuple[str, ...] = ()
    """Request headers that the proxy passes on beside the usual ones."""
    issuer: str | None = None
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    refresh_endpoint: str | None = None
    revocation_endpoint: str | None = None
    userinfo_endpoint: str | None = None
    jwks_uri: str | None = None
    api_base: str | None = None
    api_hosts: tuple[str, ...] | None = None
    pkce: Literal["S256", "none"] | None = None
    token_request: Literal["form", "json"] | None = None
    scope_separator: str | None = None
    scope_parameter: str | None = None
    scope_prefix: str | None = None
    scopes_accumulate: bool | None = None
    offline_scopes: tuple[str, ...] | None = None
    account_scopes: tuple[str, ...] | None = None
    login_hint: Literal["login_hint", "login"] | None = None
    authorization_params: dict[str, str] | None = None
    token_params: dict[str, str | int] | None = None
    refresh_params: dict[str, str | int] | None = None
    answer: AnswerPaths | None = None
    refresh_answer: AnswerPaths | None = None
    lifetime: int | None = None
    jwt_lifetime: bool | None = None
    never_expires: bool | None = None
    refresh: Literal["rotates", "stays", "none"] | None = None
    refresh_errors: tuple[str, ...] | None = None
    refresh_lifetime: int | None = None
    revoke: Revoke | None = None
    account: AccountLookup | None = None
    account_values: dict[str, AccountValue] | None = None
    api_headers: dict[str, str] | None = None
    credential: Credential | None = None
    fields: tuple[Field, ...] | None = None


class Details(Struct, frozen=True):
    """A detail type (RFC 9396): its document here, or `{file: PATH}`. Its form is catalog/schema/details.json."""

    document: dict[str, Any]


class RelationStore(Struct, frozen=True, kw_only=True):
    name: str
    model: Text
    """In OpenFGA's modelling language."""
    tuples: Text | None = None
    """YAML: a list of `{user, relation, object}`."""


class Need(Struct, frozen=True, kw_only=True):
    """What takes a relation, of the person and of the agent: a connection, a detail type, or an API with or without a scope."""

    relation: str
    object: str
    """`type:id`. In the id `{connection}`, `{scope}`, and of details the path of a member, such as `{account.number}`, stand for
    what they are in the request; a list stands for each of its items."""
    connection: str | None = None
    """A name, or `"*"` for every connection."""
    details: str | None = None
    """A detail type."""
    api: str | None = None
    """An identifier."""
    scope: str | None = None
    """Of `api`: a scope, or `"*"` for each that is asked for; absent: whatever is asked for there."""


class Relations(Struct, frozen=True, kw_only=True):
    stores: tuple[RelationStore, ...] = ()
    needs: tuple[Need, ...] = ()
    """What may be done by those only who have a relation (docs/relations.md)."""


class Policy(Struct, frozen=True, kw_only=True):
    """Cedar policies. Their name is the file's path, unless another is given."""

    file: File | None = None
    text: str | None = None
    name: str | None = None


class Email(Struct, frozen=True, kw_only=True):
    smtp: Secret
    """`smtp://` or `smtps://`, with user and password where the relay wants them."""
    sender: str = field(name="from")


class WebPush(Struct, frozen=True, kw_only=True):
    contact: str
    """A `mailto:` or `https:` URL at which push services reach the operator (RFC 8292 section 2.1)."""
    hosts: tuple[str, ...] = ()
    """Push services beside those of the browsers' vendors, such as `push.example:8443`: no others are called."""


class Ntfy(Struct, frozen=True, kw_only=True):
    server: str
    """The URL of an ntfy server."""
    token: Secret | None = None
    """An access token that may publish there."""


class Webhook(Struct, frozen=True, kw_only=True):
    """Called for every request that a person is asked, signed as Standard Webhooks has it."""

    name: str
    url: str
    secret: Secret
    """`whsec_` and 24 to 64 random bytes in base64."""


class Channels(Struct, frozen=True, kw_only=True):
    email: Email | None = None
    web_push: WebPush | None = None
    ntfy: Ntfy | None = None
    webhooks: tuple[Webhook, ...] = ()


SECRET_SETTINGS = frozenset({"metrics_token", "registration_token", "token", "client_secret"})


def settings_form() -> type[Struct]:
    """What `settings:` may say. None stands for what is not given."""
    return _form(Settings, {"issuer"}, {"relations_server": _form(RelationsServer) | None})


def _form(
    settings: type[Struct], without: Set[str] = frozenset(), groups: Mapping[str, Any] | None = None
) -> type[Struct]:
    hints: dict[str, Any] = {**get_type_hints(settings), **(groups or {}), **dict.fromkeys(SECRET_SETTINGS, Secret)}
    form: type[Struct] = defstruct(
        f"{settings.__name__}Form",
        [(setting.name, hints[setting.name], None) for setting in fields(settings) if setting.name not in without],
        frozen=True,
        kw_only=True,
    )
    return form


class Manifest(Struct, frozen=True, kw_only=True):
    version: Literal[1]
    organisation: Organisation = Organisation()
    settings: Any = None
    """Any field of `config.Settings` but the issuer, by the type that it has there (`settings_form`)."""
    users: tuple[User, ...] = ()
    apis: tuple[Api, ...] = ()
    clients: tuple[Client, ...] = ()
    connections: tuple[Connection, ...] = ()
    details: tuple[Details, ...] = ()
    """Beside those of the catalog."""
    relations: Relations = Relations()
    policies: tuple[Policy, ...] = ()
    channels: Channels = Channels()
