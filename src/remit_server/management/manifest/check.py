"""What a manifest must mean: names that are referred to exist, and what belongs together is there together."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import cedarpy
import msgspec

from remit_server.catalog import load
from remit_server.config import Settings, is_loopback
from remit_server.errors import ConfigurationError, InvalidRedirectUri
from remit_server.management.manifest import declared as d
from remit_server.management.manifest import needs
from remit_server.management.manifest.nodes import Document, Path_, nearest
from remit_server.management.manifest.relations import model_of, tuples_of
from remit_server.records import Provider, ProxyRule
from remit_server.records.connection import ORGANISATION
from remit_server.rules import connecting, exchange, providers, providers_check, proxying, redirects
from remit_server.rules.webhook_signature import key_of as key_of_webhook

_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 3.3
_DETAIL_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}")
_DOMAIN = re.compile(r"(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+")
_EMAIL = re.compile(r"[^\s@<>]+@[^\s@<>]+")
_PLACE = re.compile(r"[a-z0-9.-]+(:[0-9]{1,5})?")

Problem = tuple[Path_, str]


def check(manifest: d.Manifest, document: Document) -> None:
    """Note every problem in the document."""
    for look in (
        _settings, _organisation, _twice, _users, _apis, _clients, _connections, _details, _relations, needs.check, _policies,
        _channels,
    ):  # fmt: skip
        for path, text in look(manifest):
            document.wrong(path, text)


def _settings(m: d.Manifest) -> Iterator[Problem]:
    try:
        msgspec.convert({"issuer": "https://issuer.example", **settings_of(m)}, Settings)
    except (ConfigurationError, msgspec.ValidationError) as error:
        yield ("settings",), getattr(error, "text", str(error))


def settings_of(manifest: d.Manifest) -> dict[str, Any]:
    """The settings that are given, in the form of JSON."""
    return _given(manifest.settings) if manifest.settings is not None else {}


def _given(form: msgspec.Struct) -> dict[str, Any]:
    given = ((name, getattr(form, name)) for name in form.__struct_fields__)
    return {name: _plain(value) for name, value in given if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, d.Secret):
        return value.value
    return _given(value) if isinstance(value, msgspec.Struct) else value


def _organisation(m: d.Manifest) -> Iterator[Problem]:
    for i, domain in enumerate(m.organisation.domains):
        if not _DOMAIN.fullmatch(domain):
            yield ("organisation", "domains", i), f"{domain!r} is not the domain of an e-mail address"


def _twice(m: d.Manifest) -> Iterator[Problem]:
    keys: dict[str, list[tuple[Path_, str]]] = {
        "user": [(("users", i, "id"), u.id) for i, u in enumerate(m.users) if u.id],
        "e-mail address": [(("users", i, "email"), u.email.lower()) for i, u in enumerate(m.users)],
        "API": [(("apis", i, "identifier"), a.identifier) for i, a in enumerate(m.apis)],
        "client": [(("clients", i, "id"), c.id) for i, c in enumerate(m.clients)],
        "connection": [(("connections", i, "name"), c.name) for i, c in enumerate(m.connections)],
        "store": [(("relations", "stores", i, "name"), s.name) for i, s in enumerate(m.relations.stores)],
        "policy": [(("policies", i), policy_name(p)) for i, p in enumerate(m.policies)],
        "detail type": [(("details", i), str(x.document.get("type"))) for i, x in enumerate(m.details)],
    }
    for kind, found in keys.items():
        seen: set[str] = set()
        for path, key in found:
            if key in seen:
                yield path, f"the {kind} {key!r} stands here twice"
            seen.add(key)


def policy_name(policy: d.Policy) -> str:
    return policy.name or (policy.file.path if policy.file else "")


def text_of(policy: d.Policy) -> str:
    return policy.file.text if policy.file else policy.text or ""


def _users(m: d.Manifest) -> Iterator[Problem]:
    for i, user in enumerate(m.users):
        if not _EMAIL.fullmatch(user.email):
            yield ("users", i, "email"), f"{user.email!r} is not an e-mail address"
        if user.id is not None and not re.fullmatch(r"[!-~]{1,255}", user.id):
            yield ("users", i, "id"), "an id is 1 to 255 visible ASCII characters (OIDC Core section 2, sub)"
        if user.id == ORGANISATION:
            yield ("users", i, "id"), f"{ORGANISATION!r} stands for the organisation itself, not for a person"


def _apis(m: d.Manifest) -> Iterator[Problem]:
    types = {*load.detail_types(), *(str(x.document.get("type")) for x in m.details)}
    for i, api in enumerate(m.apis):
        at: Path_ = ("apis", i)
        if not api.identifier or re.search(r"\s|#", api.identifier):
            yield (*at, "identifier"), "an identifier has no spaces and no fragment (RFC 8707 section 2)"
        if api.identifier.startswith(exchange.URN):
            yield (*at, "identifier"), f"what begins with {exchange.URN} names a connection in a token exchange"
        for scope in api.scopes:
            if not _SCOPE.fullmatch(scope):
                yield (*at, "scopes", scope), f"{scope!r} is not a scope (RFC 6749 section 3.3)"
        for j, name in enumerate(api.authorization_details):
            if name not in types:
                yield (
                    (*at, "authorization_details", j),
                    f"there is no detail type {name!r}" + nearest(name, sorted(types)),
                )
        for j, name in enumerate(api.undescribed_details):
            if name in types:
                yield (*at, "undescribed_details", j), f"{name!r} is described; list it in authorization_details"
            elif not _DETAIL_TYPE.fullmatch(name):
                yield (*at, "undescribed_details", j), f"{name!r} is no name of a type"
        if not 10 <= api.token.lifetime <= 86400:
            yield (*at, "token", "lifetime"), "a token lives 10 to 86400 seconds"


def _clients(m: d.Manifest) -> Iterator[Problem]:
    for i, client in enumerate(m.clients):
        at: Path_ = ("clients", i)
        if not re.fullmatch(r"[!-~]{1,200}", client.id) or ":" in client.id:
            yield (
                (*at, "id"),
                "a client id is visible ASCII characters without a colon (RFC 6749 appendix A.1, RFC 7617)",
            )
        yield from _auth(client, at)
        yield from _redirects(client, at)
        yield from _backchannel(client, at)
        yield from _reach(m, client, at)
        owners = [user.email.lower() for user in m.users]
        if client.owner is not None and client.owner.lower() not in owners:
            yield (*at, "owner"), f"no user has the e-mail address {client.owner!r}" + nearest(client.owner, owners)


def methods_of(auth: d.Auth) -> tuple[str, ...]:
    return auth.methods or ((auth.method,) if auth.method else ())


def secrets_of(auth: d.Auth) -> tuple[d.Secret, ...]:
    return auth.secrets or ((auth.secret,) if auth.secret else ())


def _auth(client: d.Client, at: Path_) -> Iterator[Problem]:
    auth, path = client.auth, (*at, "auth")
    methods = methods_of(auth)
    if (auth.method is None) == (not auth.methods):
        yield path, "give `method`, or `methods` for several"
        return
    if auth.secret and auth.secrets:
        yield path, "give `secret`, or `secrets` for several"
    if "none" in methods and len(methods) > 1:
        yield path, "`none` stands alone: a client that may leave its secret out has none"
    by_secret = any(method.startswith("client_secret") for method in methods)
    if by_secret != bool(secrets_of(auth)):
        yield path, f"{methods[0]} needs `secret`" if by_secret else f"{methods[0]} has no use for a secret"
    by_key = "private_key_jwt" in methods or client.backchannel_authentication_request_signing_alg is not None
    if by_key != bool(auth.jwks or auth.jwks_uri) or (auth.jwks and auth.jwks_uri):
        yield path, "who signs needs either `jwks` or `jwks_uri`" if by_key else "`jwks` is for private_key_jwt"
    if auth.jwks is not None and not isinstance(auth.jwks.get("keys"), list):
        yield (*path, "jwks"), "a JWK Set has a list `keys` (RFC 7517 section 5)"
    if auth.jwks_uri is not None and (problem := _url(auth.jwks_uri)):
        yield (*path, "jwks_uri"), problem
    if "none" in methods:
        for j, grant in enumerate(client.grants):
            if grant in {"client_credentials", "ciba", "token_exchange"}:
                yield (*at, "grants", j), f"{grant} needs a client that authenticates; this one's method is none"


def _redirects(client: d.Client, at: Path_) -> Iterator[Problem]:
    if "authorization_code" in client.grants and not client.redirect_uris:
        yield at, "authorization_code needs `redirect_uris`"
    native = client.kind in {"native", "agent", "mcp"}
    for name in ("redirect_uris", "post_logout_redirect_uris"):
        for j, uri in enumerate(getattr(client, name)):
            try:
                redirects.registrable(uri, native=native)
            except InvalidRedirectUri as error:
                yield (*at, name, j), error.text
    if client.backchannel_logout_uri and (problem := _url(client.backchannel_logout_uri)):
        yield (*at, "backchannel_logout_uri"), problem


def _backchannel(client: d.Client, at: Path_) -> Iterator[Problem]:
    """CIBA Core 1.0 section 4."""
    mode, endpoint = client.backchannel_token_delivery_mode, client.backchannel_client_notification_endpoint
    called = ("backchannel_token_delivery_mode", "backchannel_client_notification_endpoint",
              "backchannel_authentication_request_signing_alg", "backchannel_user_code_parameter")  # fmt: skip
    if "ciba" not in client.grants:
        for name in called:
            if getattr(client, name) not in {None, False, "poll"}:
                yield (*at, name), "only for a client with the grant ciba"
        return
    if (mode == "poll") != (endpoint is None):
        where = "backchannel_client_notification_endpoint" if endpoint else "backchannel_token_delivery_mode"
        yield (*at, where), "ping and push need an endpoint to tell; poll has no use for one"
    if endpoint is not None and (problem := _url(endpoint)):
        yield (*at, "backchannel_client_notification_endpoint"), problem


def _reach(m: d.Manifest, client: d.Client, at: Path_) -> Iterator[Problem]:
    apis = {api.identifier: tuple(api.scopes) for api in m.apis}
    yield from _references(client.apis, apis, (*at, "apis"), "API")
    connections = {connection.name: tuple(connection.scopes or ()) for connection in m.connections}
    yield from _references(client.connections, connections, (*at, "connections"), "connection")
    for name, rules in client.proxy.items():
        if name not in client.connections:
            yield (
                (*at, "proxy", name),
                f"{name!r} is not among the client's connections" + nearest(name, list(connections)),
            )
        yield from _rules(rules, (*at, "proxy", name))
    if client.kind == "api" and client.api is None:
        yield at, "kind api needs `api`: the identifier of the API that this client is"
    elif client.api is not None and client.kind not in {"api", "mcp"}:
        yield (*at, "api"), "only a client of kind api or mcp is an API; what it may call stands in `apis`"
    elif client.api is not None and client.api not in apis:
        yield (*at, "api"), f"there is no API {client.api!r}" + nearest(client.api, list(apis))


def _references(
    used: dict[str, tuple[str, ...]], known: dict[str, tuple[str, ...]], at: Path_, kind: str
) -> Iterator[Problem]:
    for name, scopes in used.items():
        if name not in known:
            yield (*at, name), f"there is no {kind} {name!r}" + nearest(name, list(known))
            continue
        for j, scope in enumerate(scopes):
            if scope not in known[name]:
                yield (*at, name, j), f"the {kind} {name!r} has no scope {scope!r}" + nearest(scope, list(known[name]))


def _connections(m: d.Manifest) -> Iterator[Problem]:
    for i, connection in enumerate(m.connections):
        at: Path_ = ("connections", i)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", connection.name):
            yield (*at, "name"), "a connection's name is letters, digits, dots, dashes and underscores"
        for name in providers.URLS:
            url = getattr(connection, name)
            if url is not None and (problem := _url(url)):
                yield (*at, name), problem
        if connection.account is not None and connection.account.url and (problem := _url(connection.account.url)):
            yield (*at, "account", "url"), problem
        yield from _rules(connection.proxy, (*at, "proxy"))
        for j, header in enumerate(connection.proxy_headers):
            if not proxying.may_be_forwarded(header):
                yield (*at, "proxy_headers", j), f"{header!r} says who is asking, or how; it is never passed on"
        for name in connection.authorization_params or ():
            if name in connecting.RESERVED:
                yield (*at, "authorization_params", name), f"{name} is ours to set"
        entry = entry_of(connection)
        if entry is None:
            names = [*load.BARE, *load.providers()]
            close = difflib.get_close_matches(connection.provider, names, 3, 0.5)
            hint = f"; did you mean {', '.join(close)}?" if close else ";"
            other = "one that is not there is written out, as oauth2, oidc, api_key or basic"
            yield (*at, "provider"), f"{connection.provider!r} is not in the catalog{hint} {other}"
            continue
        for path, text in providers_check.problems(entry, written(connection)):
            yield (*at, *path), text


def _rules(rules: Iterable[ProxyRule], at: Path_) -> Iterator[Problem]:
    for i, rule in enumerate(rules):
        for j, method in enumerate(rule.methods):
            if not proxying.passes(method):
                yield (*at, i, "methods", j), f"{method!r} is not passed on; methods are in capital letters"
        for j, template in enumerate(rule.paths):
            if fault := proxying.template_fault(template):
                yield (*at, i, "paths", j), f"{template!r}: {fault}"


def entry_of(connection: d.Connection) -> Provider | None:
    """What the catalog says about its provider."""
    if connection.provider in load.BARE:
        return providers.bare(connection.provider)
    return load.providers().get(connection.provider)


def written(connection: d.Connection) -> dict[str, Any]:
    """What the operator wrote, by the names of the record."""
    given = {name: getattr(connection, name) for name in connection.__struct_fields__ if name != "client"}
    if (client := connection.client) is not None:
        secret = client.secret.value if client.secret else None
        given |= {"client_id": client.id, "client_secret": secret, "auth_method": client.auth_method}
    return {name: value for name, value in given.items() if value is not None}


def _url(url: str) -> str | None:
    """What is wrong with a URL that we or a browser will go to."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return f"{url!r} is not a URL"
    if not host or parts.username or parts.password or parts.fragment:
        return f"{url!r} must be an absolute URL without user information and fragment"
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        return f"{url!r} must be https; http is accepted for a loopback address only"
    return None


def _details(m: d.Manifest) -> Iterator[Problem]:
    for i, details in enumerate(m.details):
        try:
            kind = load.detail_type(details.document, where="details")
        except ConfigurationError as error:
            yield ("details", i), error.text
            continue
        if kind.type in load.detail_types():
            yield ("details", i), f"the type {kind.type!r} is in the catalog already"


def _relations(m: d.Manifest) -> Iterator[Problem]:
    for i, store in enumerate(m.relations.stores):
        at: Path_ = ("relations", "stores", i)
        try:
            model_of(store)
        except ConfigurationError as error:
            yield (*at, "model"), str(error)
            continue
        try:
            tuples_of(store)
        except ConfigurationError as error:
            yield (*at, "tuples"), str(error)


def _policies(m: d.Manifest) -> Iterator[Problem]:
    for i, policy in enumerate(m.policies):
        at: Path_ = ("policies", i)
        if (policy.file is None) == (policy.text is None) or not policy_name(policy):
            yield at, "give `file`, or `name` and `text`"
            continue
        try:
            cedarpy.format_policies(text_of(policy))
        except ValueError as error:
            yield at, f"not Cedar: {error}"


def _mail_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"smtp", "smtps"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number from 0 to 65535, a host with half a bracket
        return False


def _channels(m: d.Manifest) -> Iterator[Problem]:
    if (email := m.channels.email) is not None:
        at: Path_ = ("channels", "email")
        if not _mail_server(email.smtp.value):
            yield (*at, "smtp"), "write smtp://host:port or smtps://host:port"
        if not _EMAIL.fullmatch(email.sender):
            yield (*at, "from"), f"{email.sender!r} is not an e-mail address"
    if (push := m.channels.web_push) is not None and not push.contact.startswith(("mailto:", "https:")):
        yield ("channels", "web_push", "contact"), "write mailto:… or https:…"
    for i, host in enumerate(push.hosts if push else ()):
        if not _PLACE.fullmatch(host):
            yield ("channels", "web_push", "hosts", i), "write a host, with its port where that is not 443"
    if (ntfy := m.channels.ntfy) is not None and (problem := _url(ntfy.server)):
        yield ("channels", "ntfy", "server"), problem
    yield from _webhooks(m.channels.webhooks)


def _webhooks(webhooks: tuple[d.Webhook, ...]) -> Iterator[Problem]:
    names = [webhook.name for webhook in webhooks]
    for i, webhook in enumerate(webhooks):
        at: Path_ = ("channels", "webhooks", i)
        if names.count(webhook.name) > 1 or not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", webhook.name):
            yield (*at, "name"), "give each a name of its own, in small letters, digits and hyphens"
        if problem := _url(webhook.url):
            yield (*at, "url"), problem
        try:
            key_of_webhook(webhook.secret.value)
        except ValueError as error:
            yield (*at, "secret"), str(error)
