"""Records to write, each with only what a test cares about."""

from __future__ import annotations

import itertools
from typing import Any

from remit_server.records import (
    Actor,
    Allowance,
    Approval,
    Client,
    Code,
    ConnectedAccount,
    Event,
    Grant,
    PushedRequest,
    Token,
    User,
)

_numbers = itertools.count(1)
NOW = 1_800_000_000
LATER = NOW + 600


def number() -> str:
    return f"{next(_numbers):08d}"


def event(kind: str = "token.issued", **fields: Any) -> Event:
    return Event(
        **{"id": f"e_{number()}", "at": NOW, "kind": kind, "actor": Actor(user="auth0|ada", client="c_1"), **fields}
    )


def client(id_: str = "c_1", **fields: Any) -> Client:
    return Client(id=id_, name="Broker", **fields)


def user(id_: str = "auth0|ada", **fields: Any) -> User:
    return User(id=id_, **fields)


def grant(**fields: Any) -> Grant:
    defaults = {"id": f"g_{number()}", "client_id": "c_1", "user_id": "auth0|ada", "created_at": NOW}
    return Grant(**{**defaults, **fields})


def code(**fields: Any) -> Code:
    defaults = {
        "hash": f"code-{number()}", "grant_id": "g_1", "client_id": "c_1", "user_id": "auth0|ada",
        "redirect_uri": "https://client.example/cb", "expires_at": LATER,
    }  # fmt: skip
    return Code(**{**defaults, **fields})


def token(**fields: Any) -> Token:
    n = number()
    defaults = {"hash": f"token-{n}", "kind": "refresh", "jti": n, "client_id": "c_1", "expires_at": LATER}
    return Token(**{**defaults, **fields})


def pushed(**fields: Any) -> PushedRequest:
    return PushedRequest(**{"hash": f"par-{number()}", "client_id": "c_1", "expires_at": LATER, **fields})


def approval(**fields: Any) -> Approval:
    n = number()
    defaults = {
        "id": f"a_{n}", "kind": "ciba", "client_id": "c_1", "handle": f"handle-{n}", "user_id": "auth0|ada",
        "created_at": NOW, "expires_at": LATER,
    }  # fmt: skip
    return Approval(**{**defaults, **fields})


def account(**fields: Any) -> ConnectedAccount:
    defaults = {
        "id": f"ca_{number()}", "user_id": "auth0|ada", "connection": "calendar", "access_token": "upstream-access",
        "refresh_token": "upstream-refresh", "scopes": ("read",),
    }  # fmt: skip
    return ConnectedAccount(**{**defaults, **fields})


def allowance(**fields: Any) -> Allowance:
    defaults = {
        "id": f"al_{number()}", "user_id": "auth0|ada", "client_id": "c_1", "type": "payment",
        "audiences": ("https://bank.example/",), "limits": {"account": "...4821"}, "currency": "EUR",
        "per_act": 3_000, "total": 10_000, "times": 5, "created_at": NOW, "expires_at": LATER,
    }  # fmt: skip
    return Allowance(**{**defaults, **fields})
