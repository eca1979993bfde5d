"""A provider as data: how it is spoken to, and what a person needs to know to use it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

Kind = Literal["oauth2", "oidc", "api_key", "basic"]
Revoke = Literal[
    "rfc7009", "rfc7009_basic", "rfc7009_json", "delete_token_in_path", "post_bearer", "post_bearer_token", "delete_bearer",
    "github_grant", "square_client", "none",
]  # fmt: skip


class AnswerPaths(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where things stand in a token answer: dotted paths. The defaults are RFC 6749 section 5.1."""

    access_token: str = "access_token"  # noqa: S105 - a path
    refresh_token: str = "refresh_token"  # noqa: S105
    expires_in: str = "expires_in"
    expires_at: str | None = None
    """The moment of its end: RFC 3339, or seconds since 1970. Read when there is no `expires_in`."""
    scope: str = "scope"
    ok: str | None = None
    """A member that must be true; otherwise the answer is an error, whatever its status."""
    error: str = "error"
    """Read only when there is no token. A member `error` is an error in any case."""


class AccountLookup(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to learn whose account it is."""

    id: tuple[str, ...] | str
    """Dotted path of what the provider never gives to somebody else; or several that are so only together."""
    label: tuple[str, ...] | str = ()
    """Dotted paths of what the person knows the account by; the first that is there."""
    source: Literal["request", "answer"] = field(default="request", name="from")
    """`answer`: the token answer says it, and nothing is asked."""
    url: str = ""
    method: Literal["GET", "POST"] = "GET"
    body: str | None = None
    """JSON, for a POST."""
    headers: dict[str, str] = field(default_factory=dict)
    prefix: str | None = None
    """What precedes the access token in `Authorization` here, where that differs from API calls."""


class Credential(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a credential is attached to an API call: as a header, or as a query parameter where there is no header."""

    header: str = "Authorization"
    prefix: str = "Bearer "
    query: str | None = None
    username: str | None = None
    """Kind basic: text with `{field}`s; the first field when absent. Likewise `password`, with the second."""
    password: str | None = None


class Field(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person types to connect by an API key or by name and password."""

    name: str
    title: str
    secret: bool = False
    """Not shown while it is typed, and never again."""
    pattern: str = "[!-~]{1,4096}"
    """A regular expression of the whole value."""
    help: str | None = None
    """URL of the page at the provider where it is found."""


class Parameter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What only the operator knows. `{name}` stands for it in URLs."""

    pattern: str
    """A regular expression of the whole value; it keeps the host within the provider's own domain."""
    example: str
    description: str
    default: str | None = None
    """What it is when the operator does not say."""


class AccountValue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What each account has of its own and the provider says while it is connected. `{name}` stands for it in `api_base` and
    in the URL of `account`."""

    source: Literal["answer", "redirect", "account"] = field(name="from")
    """The token answer, the parameters with which the person comes back, or the answer that says whose account it is; of the
    second, the account's identity is made as well."""
    at: str
    """A dotted path, or the parameter's name."""
    prefix: str = ""
    """What stands before it and is not kept."""
    pattern: str
    """A regular expression of the whole value; it keeps the host within the provider's own domain."""
    example: str


class Upstream(Struct, frozen=True, kw_only=True):
    """How a provider is spoken to. What an entry of the catalog and a configured connection have in common."""

    kind: Kind = "oauth2"
    issuer: str | None = None
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    refresh_endpoint: str | None = None
    """Where refresh tokens are redeemed, when that is not the token endpoint."""
    revocation_endpoint: str | None = None
    userinfo_endpoint: str | None = None
    jwks_uri: str | None = None
    api_base: str | None = None
    api_hosts: tuple[str, ...] = ()
    """Further hosts that the same credential is for."""
    pkce: Literal["S256", "none"] = "S256"
    auth_method: Literal["client_secret_basic", "client_secret_post", "none"] = "client_secret_basic"
    token_request: Literal["form", "json"] = "form"  # noqa: S105
    scope_separator: str = " "
    scope_parameter: str = "scope"
    scope_prefix: str = ""
    """What answers put before a scope that was asked for without it."""
    scopes_accumulate: bool = False
    """Each token has all that the person ever granted, whatever is asked for; so nothing narrower is asked for."""
    offline_scopes: tuple[str, ...] = ()
    """Asked for beside the others, to get a refresh token; never shown and never lent."""
    account_scopes: tuple[str, ...] = ()
    """Asked for beside the others, so that the provider says whose account it is; lent only if `scopes` has them too."""
    login_hint: Literal["login_hint", "login"] | None = None
    """The parameter by which the provider understands whom the person means to sign in as; None: it does not."""
    authorization_params: dict[str, str] = field(default_factory=dict)
    token_params: dict[str, str | int] = field(default_factory=dict)
    """Further members of the request that redeems a code."""
    refresh_params: dict[str, str | int] = field(default_factory=dict)
    """The same of the one that redeems a refresh token."""
    answer: AnswerPaths = AnswerPaths()
    refresh_answer: AnswerPaths | None = None
    """Where the answer to a refresh looks different."""
    lifetime: int | None = None
    """Seconds of an access token when the answer does not say. None: not known, and it is used until refused."""
    jwt_lifetime: bool = False
    """The access token is a JWT, and its `exp` is read when the answer does not say."""
    never_expires: bool = False
    refresh: Literal["rotates", "stays", "none"] | None = None
    """What happens to a refresh token that is used; `none`: there are no refresh tokens; None: not known."""
    refresh_errors: tuple[str, ...] = ()
    """Errors beside invalid_grant by which the provider says that the grant is gone."""
    refresh_lifetime: int | None = None
    """Seconds of a refresh token, where the provider documents them."""
    revoke: Revoke = "rfc7009"
    account: AccountLookup | None = None
    """None: the userinfo endpoint, where there is one."""
    account_values: dict[str, AccountValue] = field(default_factory=dict)
    api_headers: dict[str, str] = field(default_factory=dict)
    """What every API call needs."""
    credential: Credential = Credential()
    fields: tuple[Field, ...] = ()


class Provider(Upstream, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry of the catalog."""

    name: str
    title: str
    sources: tuple[str, ...]
    """Public pages of the provider from which the entry was written."""
    checked: str | None = None
    """The day on which somebody compared the entry with them."""
    tried: str | None = None
    """The day on which somebody connected an account at the live provider with it."""
    register: str | None = None
    """Where an operator gets a client id or a key."""
    parameters: dict[str, Parameter] = field(default_factory=dict)
    scopes: dict[str, str] = field(default_factory=dict)
    """The usual ones, with words for the person."""
    notes: str | None = None
