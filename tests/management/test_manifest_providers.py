"""Connections of remit.yaml: an entry of the catalog by its name, or a provider written out."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.ledger import proves
from tests.management.test_manifest import ENVIRON, given, refused

from remit_server.catalog import load
from remit_server.management.manifest.wanted import _connection
from remit_server.records import Connection, Provider
from remit_server.records.provider import Parameter

SHOP = Provider(
    name="shop", title="Shop", sources=("https://shop.example/docs",), kind="oauth2",
    authorization_endpoint="https://{shop}/authorize", token_endpoint="https://{shop}/token",
    api_base="https://{shop}/api/", scopes={"read": "See orders", "write": "Change orders"}, scope_separator=",",
    parameters={"shop": Parameter(pattern=r"^[a-z-]+\.shop\.example$", example="acme.shop.example", description="Whose.")},
)  # fmt: skip


@pytest.fixture(autouse=True)
def catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not change with the real one."""
    others = dict.fromkeys(("google", "google-calendar", "google-drive"), SHOP)
    monkeypatch.setattr(load, "providers", lambda: {"shop": SHOP, **others})


def one(tmp_path: Path, text: str) -> Connection:
    (connection,) = given(tmp_path, "connections:\n" + text).connections
    return _connection(connection)


def test_an_entry_by_its_name(tmp_path: Path) -> None:
    found = one(
        tmp_path,
        "  - name: mine\n    provider: shop\n    parameters: {shop: ada.shop.example}\n    scopes: [read]\n"
        "    client: {id: remit, secret: {env: CALENDAR_SECRET}}\n",
    )
    assert (found.token_endpoint, found.client_secret) == ("https://ada.shop.example/token", ENVIRON["CALENDAR_SECRET"])
    assert (found.scopes, found.scope_words, found.display_name) == (("read",), {"read": "See orders"}, "Shop")


def test_a_provider_written_out(tmp_path: Path) -> None:
    found = one(
        tmp_path,
        "  - name: chat\n    provider: oauth2\n    client: {id: remit, secret: hush, auth_method: client_secret_post}\n"
        "    authorization_endpoint: https://chat.example/authorize\n    token_endpoint: https://chat.example/token\n"
        "    scopes: {chat.read: Read your chats}\n    offline_scopes: [offline]\n    scope_separator: ','\n    pkce: none\n"
        "    answer: {access_token: user.token, ok: ok}\n    token_request: json\n    lifetime: 3600\n    refresh: rotates\n"
        "    refresh_errors: [gone]\n    revoke: post_bearer\n    revocation_endpoint: https://chat.example/revoke\n"
        "    account: {from: answer, id: [team.id, user.id], label: user.name}\n    api_headers: {X-Version: '2'}\n"
        "    api_base: https://chat.example/api/\n    shared_with: [traders]\n",
    )
    assert found.account is not None
    assert (found.account.source, found.account.id, found.account.label) == (
        "answer",
        ("team.id", "user.id"),
        "user.name",
    )
    assert (found.answer.access_token, found.answer.ok) == ("user.token", "ok")
    assert (found.scopes, found.scope_words) == (("chat.read",), {"chat.read": "Read your chats"})
    assert (found.auth_method, found.token_request, found.pkce, found.revoke) == (
        "client_secret_post", "json", "none", "post_bearer",
    )  # fmt: skip
    assert (found.lifetime, found.refresh_errors, found.shared_with) == (3600, ("gone",), ("traders",))


def test_a_key(tmp_path: Path) -> None:
    found = one(
        tmp_path,
        "  - name: search\n    provider: api_key\n    api_base: https://search.example/\n"
        "    credential: {header: X-Api-Key, prefix: ''}\n"
        "    fields: [{name: key, title: API key, secret: true, pattern: '^k_'}]\n",
    )
    assert (found.kind, found.credential.header, found.credential.prefix) == ("api_key", "X-Api-Key", "")
    assert found.fields[0].secret


CLIENT = "client: {id: x, secret: y}"


@proves("manifest.mistakes-have-places")
@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        (
            "provider: gogle-calender",
            "gogle",
            "'gogle-calender' is not in the catalog; did you mean google-calendar, google",
        ),
        (
            "provider: zzz",
            "zzz",
            "'zzz' is not in the catalog; one that is not there is written out",
        ),
        ("provider: shop, scopes: []", "{name", "shop needs `shop`, such as acme.shop.example: Whose."),
        (
            "provider: shop, scopes: [], parameters: {shop: evil.example}",
            "shop: evil",
            "'evil.example' is no shop of shop",
        ),
        ("provider: shop, parameters: {shop: a.shop.example}", "{name", "the usual ones of shop are read, write"),
        ("provider: shop, scopes: [], parameters: {shop: a.shop.example}, client: null", "{name", "needs `client`"),
        ("provider: oauth2, pkce: plain", "plain", "'plain' is not one of S256, none"),
        ("provider: oauth2, answer: {acess_token: x}", "acess", "did you mean 'access_token'?"),
        ("provider: oauth2, account: {from: answr, id: x}", "answr", "did you mean 'answer'?"),
        ("provider: oauth2, account: {id: x, url: 'http://a.example'}", "'http", "must be https"),
        ("provider: oauth2, refresh_endpoint: 'ftp://a.example'", "'ftp", "must be https"),
        (
            "provider: api_key, fields: [{name: k, title: K, secret: true, pattern: '('}]",
            "'('",
            "not a regular expression",
        ),
        ("provider: oauth2, authorization_params: {prompt: none, state: x}", "state", "state is ours to set"),
        ("provider: oauth2, scopes: 7", "7", "a list is wanted here"),
        ("provider: oauth2, lifetime: soon", "soon", "a number is wanted"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, at: str, words: str) -> None:
    line = f"  - {{name: c, {text}" + ("}" if "client" in text else ", client: {id: x, secret: y}}")
    message = refused(tmp_path, f"connections:\n{line}\n")
    told = [one for one in message.splitlines() if words in one]
    assert told, message
    assert told[0].startswith(f"remit.yaml:3:{line.index(at) + 1}: ")
