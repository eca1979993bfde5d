"""Who may borrow, for whom, which account, how much of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from remit_server.errors import (
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    ProtocolError,
    UnauthorizedClient,
)
from remit_server.records import Client, ConnectedAccount, Grant, Lending, Offer, Token
from remit_server.records.connection import ORGANISATION
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
        ({"kind": "access", "audiences": ("https://api.example",)}, replace(API, kind="mcp"), None, None),
        ({"kind": "access", "audiences": ("https://api.example",)}, replace(API, kind="web"), None, UnauthorizedClient),
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
    return ConnectedAccount(**{"id": id_, "user_id": "ada", "connection": "c", "state": state} | members)


def offer(id_: str, state: Any = "ok", *, lent: bool | None = None, **members: Any) -> Offer:
    """`lent`: None for no lending, else whether it is for the time away, too."""
    lending = None if lent is None else Lending(account_id=id_, user_id="ada", client_id="agent", away=lent)
    return Offer(account(id_, state, **members), lending)


ONE = offer("1", upstream_id="u1", label="one@example.com")
TWO = offer("2", upstream_id="u2", label="u1")
CHOSEN = offer("3", chosen=2)
CHOSEN_BEFORE = offer("4", chosen=1)
BROKEN = offer("0", "reconnect", upstream_id="u0")
LEAVING = offer("00", "disconnected", upstream_id="u00")
LIMITED = offer("01", limited=True, upstream_id="u01", chosen=9)
LENT = offer("02", limited=True, lent=False)
SHARED = offer("03", user_id=ORGANISATION, upstream_id="u1", chosen=9)


@pytest.mark.parametrize(
    ("offers", "hint", "chosen"),
    [
        ([], None, None),
        ([TWO, ONE], None, ONE),
        ([BROKEN, TWO], None, BROKEN),  # the default is what the person sees as the default, whatever became of it
        ([ONE, CHOSEN_BEFORE, CHOSEN], None, CHOSEN),
        ([LEAVING], None, None),
        ([LEAVING], "u00", None),
        ([ONE, TWO], "u2", TWO),
        ([ONE, TWO], "2", TWO),
        ([ONE, TWO], "one@example.com", ONE),
        ([TWO, ONE], "u1", ONE),  # an id outranks a name: names are the account holder's to choose
        ([BROKEN, ONE], "u0", BROKEN),
        ([ONE, TWO], "u3", None),
        ([LIMITED, TWO], None, TWO),
        ([LIMITED], None, LIMITED),
        ([LIMITED, TWO], "u01", LIMITED),
        ([LENT, ONE], None, LENT),
        ([SHARED, TWO], None, TWO),
        ([SHARED, BROKEN], None, BROKEN),
        ([SHARED], None, SHARED),
        ([SHARED, ONE], "u1", ONE),
        ([SHARED, LIMITED], None, SHARED),
    ],
)
def test_choose(offers: list[Offer], hint: str | None, chosen: Offer | None) -> None:
    assert exchange.choose(offers, hint) == chosen
    assert exchange.choose(offers[::-1], hint) == chosen


@pytest.mark.parametrize(
    ("limited", "lent", "there", "missing"),
    [
        (False, None, True, None), (False, None, False, "away"), (False, False, False, "away"), (False, True, False, None),
        (True, None, True, "limited"), (True, None, False, "limited"), (True, False, True, None),
        (True, False, False, "away"), (True, True, False, None),
    ],
)  # fmt: skip
def test_want(limited: bool, lent: bool | None, there: bool, missing: str | None) -> None:
    assert exchange.want(offer("1", limited=limited, lent=lent), there=there) == missing


@pytest.mark.parametrize(
    ("sid", "ends", "now", "there"),
    [
        ("s", 200, 199, True), ("s", 200, 200, False), ("s", None, 0, False),
        (None, None, 149, True), (None, None, 150, False), (None, 999, 150, False),
    ],
)  # fmt: skip
def test_is_there(sid: str | None, ends: int | None, now: int, there: bool) -> None:
    agreed = Grant(id="g", client_id="agent", user_id="ada", sid=sid, created_at=100)
    assert exchange.is_there(agreed, ends, now, lasts=50) is there
    assert not exchange.is_there(None, ends, now, lasts=50)


@pytest.mark.parametrize(
    ("connection", "audiences", "resources", "name"),
    [
        ("c", [], [], "c"),
        (None, ["urn:remit:connection:c"], [], "c"),
        (None, [], ["urn:remit:connection:c"], "c"),
        ("c", ["urn:remit:connection:c"], ["urn:remit:connection:c"], "c"),
        (None, [], [], InvalidRequest),
        (None, ["c"], [], InvalidTarget),
        (None, ["https://api.example"], [], InvalidTarget),
        ("c", ["https://api.example"], [], InvalidTarget),
        ("c", ["urn:remit:connection:d"], [], InvalidTarget),
        (None, ["urn:remit:connection:c"], ["urn:remit:connection:d"], InvalidTarget),
    ],
)
def test_connection_name(
    connection: str | None, audiences: list[str], resources: list[str], name: str | type[ProtocolError]
) -> None:
    if isinstance(name, str):
        assert exchange.connection_name(connection, audiences, resources) == name
        return
    with pytest.raises(name):
        exchange.connection_name(connection, audiences, resources)


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
