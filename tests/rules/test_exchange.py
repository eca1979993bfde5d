"""Who may borrow, for whom, which account, how much of it."""

from __future__ import annotations

from typing import Any

import pytest

from remit_server.errors import InvalidGrant, InvalidRequest, InvalidScope, ProtocolError, UnauthorizedClient
from remit_server.records import Client, ConnectedAccount, Token
from remit_server.rules import exchange

AGENT = Client(id="agent", name="Agent", kind="agent")
API = Client(id="api", name="API", kind="api", api="https://api.example")


def token(**members: Any) -> Token:
    return Token(**{"hash": "h", "kind": "refresh", "jti": "j", "client_id": "agent", "user_id": "ada"} | members)


@pytest.mark.parametrize(
    ("held", "client", "jkt", "error"),
    [
        ({}, AGENT, None, None),
        ({}, API, None, InvalidGrant),
        ({"user_id": None}, AGENT, None, InvalidGrant),
        ({"jkt": "k"}, AGENT, "k", None),
        ({"jkt": "k"}, AGENT, None, InvalidGrant),
        ({"jkt": "k"}, AGENT, "other", InvalidGrant),
        ({}, Client(id="agent", name="P", auth_methods=("none",)), None, UnauthorizedClient),
        ({"kind": "access", "audiences": ("https://api.example",)}, API, None, None),
        ({"kind": "access", "audiences": ("https://api.example", "https://b.example")}, API, None, None),
        ({"kind": "access", "audiences": ("https://b.example",)}, API, None, InvalidGrant),
        ({"kind": "access", "audiences": ()}, API, None, InvalidGrant),
        ({"kind": "access", "audiences": ("https://api.example",)}, AGENT, None, UnauthorizedClient),
        ({"kind": "access", "audiences": ("https://api.example",), "jkt": "k"}, API, None, InvalidGrant),
        ({"kind": "access"}, Client(id="a", name="A", kind="api"), None, UnauthorizedClient),
    ],
)
def test_judge(held: dict[str, Any], client: Client, jkt: str | None, error: type[ProtocolError] | None) -> None:
    if error is None:
        assert exchange.judge(token(**held), client, jkt=jkt) == "ada"
        return
    with pytest.raises(error):
        exchange.judge(token(**held), client, jkt=jkt)


def account(id_: str, state: Any = "ok", **members: Any) -> ConnectedAccount:
    return ConnectedAccount(id=id_, user_id="ada", connection="c", state=state, **members)


ONE = account("1", upstream_id="u1", label="one@example.com")
TWO = account("2", upstream_id="u2", label="u1")
BROKEN = account("0", "reconnect", upstream_id="u0")
LEAVING = account("00", "disconnected", upstream_id="u00")


@pytest.mark.parametrize(
    ("accounts", "hint", "chosen"),
    [
        ([], None, None),
        ([ONE, TWO], None, ONE),
        ([BROKEN, TWO], None, TWO),
        ([BROKEN], None, BROKEN),
        ([LEAVING], None, None),
        ([LEAVING], "u00", None),
        ([ONE, TWO], "u2", TWO),
        ([ONE, TWO], "one@example.com", ONE),
        ([TWO, ONE], "u1", ONE),  # an id outranks a name: names are the account holder's to choose
        ([BROKEN, ONE], "u0", BROKEN),
        ([ONE, TWO], "u3", None),
    ],
)
def test_choose(accounts: list[ConnectedAccount], hint: str | None, chosen: ConnectedAccount | None) -> None:
    assert exchange.choose(accounts, hint) == chosen


@pytest.mark.parametrize(
    ("granted", "may", "asked", "scopes", "missing"),
    [
        ("ab", "ab", "", "ab", ""), ("ab", "a", "", "a", ""), ("a", "ab", "", "a", ""), ("ab", "ab", "b", "b", ""),
        ("a", "ab", "ab", "a", "b"), ("a", "b", "", "", ""), ("a", "b", "b", "", "b"), ("abc", "", "", "", ""),
    ],
)  # fmt: skip
def test_share(granted: str, may: str, asked: str, scopes: str, missing: str) -> None:
    share = exchange.share(account("1", scopes=tuple(granted)), tuple(may), tuple(asked))
    assert (share.scopes, share.missing) == (tuple(scopes), tuple(missing))


def test_what_a_client_may_never_borrow_is_refused() -> None:
    with pytest.raises(InvalidScope):
        exchange.share(account("1", scopes=("a", "b")), ("a",), ("a", "b"))


def test_types() -> None:
    assert exchange.issued_type(None, default=exchange.FEDERATED) == exchange.FEDERATED
    assert exchange.issued_type(exchange.ACCESS, default=exchange.FEDERATED) == exchange.ACCESS
    for bad in (exchange.REFRESH, "x"):
        with pytest.raises(InvalidRequest):
            exchange.issued_type(bad, default=exchange.ACCESS)
    with pytest.raises(InvalidRequest):
        exchange.subject_kind("urn:ietf:params:oauth:token-type:jwt")
