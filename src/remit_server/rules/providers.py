"""From an entry of the catalog and what the operator wrote to one complete connection; and what an entry's paths, credentials
and fields mean. Whose account it is, and how a credential is attached, are decided here for every kind of provider."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, structs

from remit_server.records import Connection, Provider, Upstream
from remit_server.records.provider import AccountLookup

KEYED = frozenset({"api_key", "basic"})
"""Kinds without OAuth: the person types what the provider gave them."""
LONGEST = 255
PLACE = re.compile(r"\{([a-z_]+)\}")
"""Where a parameter or a field goes."""
_BY_KEY = frozenset({"authorization_params", "token_params", "refresh_params", "api_headers", "account_values"})
URLS = (
    "issuer", "authorization_endpoint", "token_endpoint", "refresh_endpoint", "revocation_endpoint", "userinfo_endpoint",
    "jwks_uri", "api_base",
)  # fmt: skip
_FILLED = (*URLS, "api_hosts", "account", "authorization_params")


def bare(kind: Any) -> Provider:
    """The entry that says nothing: the operator writes everything."""
    return Provider(name=kind, title="", sources=(), kind=kind)


def resolve(entry: Provider, written: Mapping[str, Any]) -> Connection:
    """The connection, complete. What the operator wrote (by the names of `Connection`, and `parameters`) outranks the entry;
    parameters of requests, headers and account values are merged. `{client_id}` in a header is our own."""
    values = values_of(entry, written)
    members = {name: getattr(entry, name) for name in Upstream.__struct_fields__}
    members |= {name: _filled(members[name], values) for name in _FILLED}
    own = {name: value for name, value in written.items() if name in Connection.__struct_fields__ and value is not None}
    for name, value in own.items():
        members[name] = members[name] | value if name in _BY_KEY else value
    members["api_headers"] = _filled(members["api_headers"], {"client_id": own.get("client_id", "")})
    scopes = own.get("scopes", ())
    words = {**entry.scopes, **(scopes if isinstance(scopes, Mapping) else {})}
    members["scopes"] = tuple(scopes)
    members["scope_words"] = {scope: words[scope] for scope in scopes if scope in words}
    members.setdefault("display_name", entry.title or None)
    return Connection(**{"provider": entry.name, **members})


def values_of(entry: Provider, written: Mapping[str, Any]) -> dict[str, str]:
    """The entry's parameters, as far as they are known."""
    defaults = {name: one.default for name, one in entry.parameters.items() if one.default is not None}
    return defaults | (written.get("parameters") or {})


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    """The same with `{name}`s replaced, once; one that has no value stays."""
    if isinstance(value, str):
        return PLACE.sub(lambda place: values.get(place[1], place[0]), value)
    if isinstance(value, AccountLookup):
        return structs.replace(value, url=_filled(value.url, values))
    if isinstance(value, dict):
        return {name: _filled(one, values) for name, one in value.items()}
    if isinstance(value, tuple):
        return tuple(_filled(one, values) for one in value)
    return value


def at(members: Any, path: str) -> Any:
    """What stands at a dotted path; None when nothing does. Items of lists are counted from 0, or are the first in which the
    member of that name is true."""
    for step in path.split("."):
        if isinstance(members, list) and step.isdigit() and len(step) < 5:
            members = members[int(step)] if int(step) < len(members) else None
        elif isinstance(members, list):
            members = next((one for one in members if isinstance(one, dict) and one.get(step) is True), None)
        else:
            members = members.get(step) if isinstance(members, dict) else None
    return members


def beside(connection: Connection) -> tuple[str, ...]:
    """The scopes that are asked for beside those that can be lent."""
    also = (*connection.account_scopes, *connection.offline_scopes)
    return tuple(dict.fromkeys(scope for scope in also if scope not in connection.scopes))


class Identity(Struct, frozen=True):
    """Whose account it is, as the provider names it."""

    id: str | None = None
    label: str | None = None
    values: dict[str, str] = {}
    """What is kept with the account of the same answer."""


def joined(whose: Identity, said: Mapping[str, str]) -> Identity:
    """The identity of an account that the person chose among several at the provider, which said in the redirect which one."""
    if not said or whose.id is None:
        return whose
    label = " · ".join(filter(None, (whose.label, *said.values())))
    return Identity(_text(":".join((whose.id, *said.values()))), _text(label), whose.values)


def kept(connection: Connection, source: str, members: Mapping[str, Any]) -> dict[str, str]:
    """What is kept with an account of what the provider says there; only what fits."""
    found = {}
    for name, one in connection.account_values.items():
        said = _text(at(members, one.at)) or ""
        value = said.removeprefix(one.prefix)
        if one.source == source and said.startswith(one.prefix) and re.fullmatch(one.pattern, value):
            found[name] = value
    return found


def located(connection: Connection, values: Mapping[str, str], *, asked: bool = True) -> Connection | None:
    """The connection with its API's address as it is for one account. None when a value of the account is not there, or does
    not fit as the connection is now: a token goes to no host that its pattern does not name. Without `asked` the provider has
    not said yet whose account it is, nor what it says beside that."""
    own = {}
    for name, one in connection.account_values.items():
        if not asked and one.source == "account":
            continue
        if not re.fullmatch(one.pattern, values.get(name, "")):
            return None
        own[name] = values[name]
    filled = {name: _filled(getattr(connection, name), own) for name in ("api_base", "account")}
    return structs.replace(connection, **filled) if own else connection


USERINFO = AccountLookup(id="sub", label=("email", "preferred_username", "name"))


def identity(lookup: AccountLookup, members: Mapping[str, Any]) -> Identity:
    """Read from an answer. Without an id that can be believed it is nobody's."""
    ids, labels = ((paths,) if isinstance(paths, str) else paths for paths in (lookup.id, lookup.label))
    parts = [_text(at(members, path)) for path in ids]
    label = next(filter(None, (_text(at(members, path)) for path in labels)), None)
    return Identity(_text(":".join(part or "" for part in parts)) if all(parts) else None, label)


def _text(value: Any) -> str | None:
    """Never shortened: two ids that begin alike are two accounts."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value) if isinstance(value, str) or abs(value) < 10**30 else ""
    return text if 0 < len(text) <= LONGEST and text.isprintable() else None


class Attached(Struct, frozen=True):
    """What makes a call the account's: headers, or parameters of the query."""

    headers: dict[str, str]
    query: dict[str, str]

    def __repr__(self) -> str:
        return "Attached()"


def attach(connection: Connection, secret: str | Mapping[str, str]) -> Attached:
    """An access token, or what the person typed, as the provider wants to see it in an API call."""
    credential = connection.credential
    if connection.kind == "basic" and not isinstance(secret, str):
        return Attached({"Authorization": f"Basic {_pair(connection, secret)}"}, {})
    value = secret if isinstance(secret, str) else next(iter(secret.values()), "")
    if credential.query is not None:
        return Attached({}, {credential.query: value})
    return Attached({credential.header: credential.prefix + value}, {})


def _pair(connection: Connection, typed: Mapping[str, str]) -> str:
    """RFC 7617."""
    fields = [f"{{{one.name}}}" for one in connection.fields] + ["", ""]
    written = (connection.credential.username, connection.credential.password)
    username, password = (
        _filled(default if text is None else text, typed) for text, default in zip(written, fields, strict=False)
    )
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def misread(connection: Connection, typed: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with what a person typed, by field, in words for them. A value is never repeated."""
    wrong = {}
    for one in connection.fields:
        value = typed.get(one.name, "")
        if not value:
            wrong[one.name] = f"{one.title} is missing."
        elif connection.kind == "basic" and not one.secret and ":" in value:
            wrong[one.name] = (
                f"{one.title} cannot hold a colon."  # RFC 7617 section 2: the rest would be the password's
            )
        elif len(value) > 4096 or not value.isprintable() or not re.fullmatch(one.pattern, value):
            wrong[one.name] = f"This does not look like {one.title} of {connection.display_name or connection.name}."
    return wrong


def label_of(connection: Connection, typed: Mapping[str, str]) -> str | None:
    """What the person knows an account by whose provider does not say: what is no secret, or how a long key ends."""
    for one in connection.fields:
        if not one.secret:
            return typed[one.name]
    value = next(iter(typed.values()), "")
    return f"…{value[-4:]}" if len(value) >= 20 else None
