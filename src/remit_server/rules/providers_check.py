"""What is wrong with what an operator wrote about a provider, each mistake with the member at fault."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from remit_server.records import Connection, Provider
from remit_server.rules.providers import KEYED, PLACE, resolve, values_of

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_OURS = frozenset({"host", "cookie", "content-length", "content-type", "transfer-encoding", "connection"})
_OF_A_TOKEN_REQUEST = frozenset(
    {
        "client_assertion", "client_assertion_type", "client_id", "client_secret", "code", "code_verifier", "grant_type",
        "redirect_uri", "refresh_token", "scope",
    }
)  # fmt: skip
_NEEDS = {"oauth2": ("authorization_endpoint", "token_endpoint"), "oidc": ("issuer",)}

Problem = tuple[tuple[str | int, ...], str]


def problems(entry: Provider, written: Mapping[str, Any]) -> Iterator[Problem]:
    """`written` is as for `resolve`. The URLs in it are not judged here: who calls knows which may be http."""
    yield from _parameters(entry, written.get("parameters") or {})
    if entry.parameters.keys() - values_of(entry, written).keys():
        return  # nothing can be resolved yet
    found = resolve(entry, written)
    for name in _NEEDS.get(found.kind, ("fields", "api_base")):
        if not getattr(found, name):
            yield (), f"provider {found.provider} needs `{name}`"
    yield from _typed(found) if found.kind in KEYED else _client(found)
    yield from _account(found)
    yield from _account_values(found)
    yield from _headers(found)
    yield from _values(found)
    if entry.scopes and written.get("scopes") is None:
        yield (), f"give `scopes`, or [] for none; the usual ones of {entry.name} are {', '.join(entry.scopes)}"


def _parameters(entry: Provider, given: Mapping[str, str]) -> Iterator[Problem]:
    for name, one in entry.parameters.items():
        if name not in given:
            if one.default is None:
                yield ("parameters",), f"{entry.name} needs `{name}`, such as {one.example}: {one.description}"
        elif not re.fullmatch(one.pattern, given[name]):
            text = f"{given[name]!r} is no {name} of {entry.name}; one looks like {one.example}"
            yield ("parameters", name), text
    for name in given.keys() - entry.parameters.keys():
        known = f"; it has {', '.join(entry.parameters)}" if entry.parameters else ""
        yield ("parameters", name), f"{entry.name} has no parameter {name!r}{known}"


def _client(found: Connection) -> Iterator[Problem]:
    if found.fields:
        yield ("fields",), f"people type nothing for a provider of kind {found.kind}"
    if not found.client_id:
        yield (), f"provider {found.provider} needs `client`"
    elif found.client_secret is None and found.auth_method != "none":
        yield ("client",), "give `secret`, or `auth_method: none` for a public client"
    if found.revoke not in {"rfc7009", "none"} and found.revocation_endpoint is None:
        yield ("revoke",), f"{found.revoke} needs `revocation_endpoint`"
    for scope in found.scopes:
        if scope in found.offline_scopes:
            yield ("scopes",), f"{scope!r} is asked for by itself and never lent; leave it out"
        if found.scope_prefix and scope.startswith(found.scope_prefix):
            yield ("scopes",), f"write {scope!r} as {scope.removeprefix(found.scope_prefix)!r}"
    for where in ("token_params", "refresh_params"):
        for name in getattr(found, where).keys() & _OF_A_TOKEN_REQUEST:
            yield (where, name), f"{name} is ours to set"


def _typed(found: Connection) -> Iterator[Problem]:
    for i, one in enumerate(found.fields):
        try:
            re.compile(one.pattern)
        except re.error:
            yield ("fields", i, "pattern"), f"{one.pattern!r} is not a regular expression"
    if found.fields and not any(one.secret for one in found.fields):
        yield ("fields",), "none of them is secret"
    if found.kind == "api_key" and len(found.fields) > 1:
        yield ("fields",), "an API key is one field"
    names = {one.name for one in found.fields}
    for text in (found.credential.username, found.credential.password):
        for name in PLACE.findall(text or ""):
            if name not in names:
                yield ("credential",), f"there is no field {name!r}"


def _account(found: Connection) -> Iterator[Problem]:
    if found.account is None:
        return
    if found.account.source == "request" and not found.account.url:
        yield ("account",), "give `url`, or `from: answer`"
    if found.account.source == "answer" and found.kind in KEYED:
        yield ("account", "from"), "there is no token answer to read"


def _account_values(found: Connection) -> Iterator[Problem]:
    places = set(PLACE.findall(f"{found.api_base} {found.account.url if found.account else ''}"))
    for name in sorted(places - found.account_values.keys()):
        yield ("api_base",), f"nothing says what {{{name}}} stands for"
    for name, one in found.account_values.items():
        at = ("account_values", name)
        if name not in places:
            yield at, f"{{{name}}} stands neither in `api_base` nor in the URL of `account`"
        if one.source == "account":
            yield from _of_the_lookup(found, name)
        try:
            if not re.fullmatch(one.pattern, one.example):
                yield (*at, "example"), f"{one.example!r} does not fit the pattern"
        except re.error:
            yield (*at, "pattern"), f"{one.pattern!r} is not a regular expression"
    if found.account_values and found.kind in KEYED:
        yield ("account_values",), "there is no token answer to read"


def _of_the_lookup(found: Connection, name: str) -> Iterator[Problem]:
    """A value that the answer brings which says whose account it is."""
    at = ("account_values", name, "from")
    if found.account is not None and found.account.source == "answer":
        yield at, "the token answer says whose account it is: write `from: answer`"
    elif found.account is not None and name in PLACE.findall(found.account.url):
        yield at, f"{{{name}}} stands in the URL of `account`, whose answer is to say it"
    elif found.account is None and found.kind == "oauth2" and not found.userinfo_endpoint:
        yield at, "nothing asks whose account it is: give `account` or `userinfo_endpoint`"


def _headers(found: Connection) -> Iterator[Problem]:
    lookup = found.account.headers if found.account else {}
    for where, headers in (("api_headers", found.api_headers), ("account", lookup)):
        for name, value in headers.items():
            if not _may_be_set(name) or name.lower() == "authorization":
                yield (where,), f"{name!r} is no header that can be set here"
            if not value.isascii() or not value.isprintable():
                yield (where,), f"the value of the header {name} is not plain text"
    if not _may_be_set(found.credential.header):
        yield ("credential",), f"{found.credential.header!r} is no header that can be set here"


def _may_be_set(name: str) -> bool:
    return _HEADER.fullmatch(name) is not None and name.lower() not in _OURS


def _values(found: Connection) -> Iterator[Problem]:
    if "authentication" in found.use and found.kind != "oidc":
        yield ("use",), "people sign in through a provider of kind oidc"
    for i, host in enumerate(found.api_hosts):
        if not _HOST.fullmatch(host):
            yield ("api_hosts", i), f"{host!r} is not a host name"
    if found.scope_parameter not in {"scope", "user_scope"}:
        yield ("scope_parameter",), "scopes are asked for with `scope` or `user_scope`"
    for name in ("lifetime", "refresh_lifetime"):
        if (getattr(found, name) or 60) < 60:
            yield (name,), "give at least 60 seconds"
