"""What a backchannel request may say, as tables."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from remit_server.errors import (
    ExpiredLoginHint,
    InvalidBindingMessage,
    InvalidRequest,
    ProtocolError,
    UnauthorizedClient,
    UnknownUser,
)
from remit_server.records import Approval, Client
from remit_server.rules import asking, backchannel, polling, signed_request
from remit_server.rules.backchannel import Hint

ISSUER = "https://id.example/"
NOW = 1_800_000_000
KEY = ECKey.generate_key("P-256", {"kid": "k"})
JWKS = {"keys": [KEY.as_dict(private=False)]}
ASKER = Client(id="agent", name="Agent", backchannel_authentication_request_signing_alg="ES256")


@pytest.mark.parametrize(
    ("hint", "found"),
    [
        ("auth0|ada", Hint(user_id="auth0|ada")),
        ("ada@example.com", Hint(email="ada@example.com")),
        ("oidc|acme|ada@example.com", Hint(user_id="oidc|acme|ada@example.com")),
        (json.dumps({"format": "iss_sub", "iss": ISSUER, "sub": "auth0|ada"}), Hint(user_id="auth0|ada")),
        (json.dumps({"format": "iss_sub", "iss": "https://id.example", "sub": "x"}), Hint(user_id="x")),
        (json.dumps({"format": "email", "email": "a@b.example"}), Hint(email="a@b.example")),
        (json.dumps({"format": "iss_sub", "iss": "https://evil.example/", "sub": "x"}), UnknownUser),
        (json.dumps({"format": "iss_sub", "iss": ISSUER, "sub": 7}), UnknownUser),
        (json.dumps({"format": "phone_number", "phone_number": "+1"}), UnknownUser),
        ("{", UnknownUser),
    ],
)
def test_login_hint(hint: str, found: Any) -> None:
    if isinstance(found, Hint):
        assert backchannel.login_hint(hint, ISSUER) == found
    else:
        with pytest.raises(found):
            backchannel.login_hint(hint, ISSUER)


@pytest.mark.parametrize(
    ("requested", "seconds"),
    [(None, 300), ("1", 1), ("300", 300), ("2592000", 2592000), ("2592001", 2592000), ("999999999", 2592000)],
)
def test_requested_expiry(requested: str | None, seconds: int) -> None:
    assert backchannel.lifetime(requested, default=300, longest=30 * 86400) == seconds


@pytest.mark.parametrize("requested", ["0", "-1", "1.5", "1e3", "0x10", " 1", "1 ", "soon", "١", "9" * 10])
def test_requested_expiry_that_is_none(requested: str) -> None:
    with pytest.raises(InvalidRequest):
        backchannel.lifetime(requested, default=300, longest=30 * 86400)


@pytest.mark.parametrize("message", ["x" * 128, "Buy 10 ZEKO", "W4SCT", "Überweisung 1.000,00 EUR", None])
def test_binding_message(message: str | None) -> None:
    assert backchannel.binding_message(message) == message


@pytest.mark.parametrize(
    "message",
    [
        "x" * 129, "a\nb", "a\tb", "\x1b[31m", "a\u202eb", "a\u2066b", "a\u200bb", "a\u200db", "a\ufeffb", "a\u00adb",
        "\U000e0041", "https://evil.example", "evil.com", "www.evil.example", "javascript://x",
        "\u0435vil.com", "evil\uff0ecom", "evil\u3002com", "\uff45vil.\uff43\uff4fm", "www\u3002evil.example",
    ],
)  # fmt: skip
def test_binding_message_that_may_not_be_shown(message: str) -> None:
    with pytest.raises(InvalidBindingMessage):
        backchannel.binding_message(message)


GOOD_TOKENS = ["8d67dc78-7faa-4d41-aabd-67707b374255", "kq7VnOsfP2Wl9ZbX4e1RtA", "f" * 32, "a" * 1024]
BAD_TOKENS = [
    None,
    "short",
    "f" * 31,
    "kq7VnOsfP2Wl9ZbX4e1Rt",
    "has a space in it and is long enough",
    "a" * 1025,
    "é" * 40,
]


@pytest.mark.parametrize("token", GOOD_TOKENS)
@pytest.mark.parametrize("mode", ["ping", "push"])
def test_notification_token(mode: Any, token: str) -> None:
    assert (
        backchannel.notification_token(Client(id="a", name="A", backchannel_token_delivery_mode=mode), token) == token
    )


@pytest.mark.parametrize("token", BAD_TOKENS)
def test_notification_token_that_is_none(token: str | None) -> None:
    with pytest.raises(InvalidRequest):
        backchannel.notification_token(Client(id="a", name="A", backchannel_token_delivery_mode="ping"), token)


def test_who_polls_has_no_use_for_a_notification_token() -> None:
    assert backchannel.notification_token(Client(id="a", name="A"), "short") is None


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("", 0), ("wait=10", 10), ("wait=25", 25), ("wait=3600", 25), ("WAIT = 7", 7), ('wait="7"', 7), ("wait=0", 0),
        ("respond-async, wait=7", 7), ("wait=7, respond-async", 7), ("wait=7; foo", 7), ("await=7", 0), ("wait=-7", 0),
        ("wait=7x", 0), ("wait", 0), ("handling=lenient", 0),
    ],
)  # fmt: skip
def test_prefer_wait(prefer: str, seconds: int) -> None:
    assert polling.preferred_wait(prefer, 25) == seconds


def test_a_push_client_may_not_poll() -> None:
    approval = Approval(id="a", kind="ciba", client_id="agent", handle="h", mode="push", expires_at=NOW + 1)
    with pytest.raises(UnauthorizedClient):
        polling.judge(approval, ASKER, jkt=None, now=NOW)


def _row(state: str, *, ago: int, answered: bool = True) -> dict[str, Any]:
    return {"state": state, "expires_at": NOW - ago, "decided_at": NOW - ago if answered else None}


def _no(ago: int) -> dict[str, Any]:
    return _row("denied", ago=ago)


def _silence(ago: int) -> dict[str, Any]:
    return _row("expired", ago=ago, answered=False)


@pytest.mark.parametrize(
    ("rows", "seconds"),
    [
        ([], 0),
        ([_no(0), _no(9)], 0),
        ([_no(0), _no(9), _no(9)], 60),
        ([_no(20), _no(30), _no(40)], 40),
        ([_no(60), _no(70), _no(80)], 0),
        ([_no(0)] * 4, 120),
        ([_no(0)] * 5, 240),
        ([_no(0)] * 9, 3600),
        ([_silence(0)] * 3, 60),
        ([_silence(10), _no(20), _silence(30)], 50),
        ([_no(0), _no(1), _row("approved", ago=2), _no(3), _no(4)], 0),
        ([_row("taken", ago=0), *[_no(1)] * 8], 0),
        ([_row("pending", ago=-100, answered=False), *[_no(0)] * 3], 60),
        ([_row("pending", ago=5, answered=False), _no(9), _no(9)], 55),
        ([_row("info_requested", ago=-5, answered=False)] * 9, 0),
    ],
)
def test_the_pause_grows_with_what_was_asked_in_vain(rows: list[dict[str, Any]], seconds: int) -> None:
    assert asking.pause(rows, NOW) == seconds


def _signed(key: ECKey = KEY, alg: str = "ES256", **changes: Any) -> str:
    claims = {
        "iss": "agent", "aud": ISSUER, "iat": NOW, "nbf": NOW, "exp": NOW + 300, "jti": "1", "scope": "openid",
        "login_hint": "auth0|ada", "requested_expiry": 600, **changes,
    }  # fmt: skip
    return jwt.encode({"alg": alg, "kid": "k"}, {k: v for k, v in claims.items() if v is not None}, key)


def _judged(text: str, client: Client = ASKER) -> signed_request.Signed:
    return signed_request.request(text, client, JWKS, issuer=ISSUER, now=NOW, skew=10)


def test_a_signed_request() -> None:
    signed = _judged(_signed())
    assert signed.parameters == {"scope": "openid", "login_hint": "auth0|ada", "requested_expiry": 600}
    assert (signed.jti, signed.expires_at) == ("1", NOW + 300)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "other"}, {"iss": None}, {"aud": "https://other.example"}, {"aud": None}, {"aud": [ISSUER, "https://b"]},
        {"exp": None}, {"exp": NOW - 11}, {"exp": NOW + 3601}, {"exp": "soon"}, {"nbf": None}, {"nbf": NOW + 11},
        {"nbf": NOW - 3400}, {"iat": None}, {"iat": NOW + 11}, {"iat": True}, {"jti": None}, {"jti": ""}, {"jti": 7},
        {"jti": "x" * 201}, {"client_secret": "s"}, {"request": "r"}, {"client_id": "other"},
    ],
)  # fmt: skip
def test_a_signed_request_that_is_none(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        _judged(_signed(**changes))


@pytest.mark.parametrize("text", ["", "x.y.z", _signed(ECKey.generate_key("P-256", {"kid": "k"}))])
def test_a_request_that_is_not_signed_by_the_client(text: str) -> None:
    with pytest.raises(InvalidRequest):
        _judged(text)


@pytest.mark.parametrize("alg", ["PS256", "EdDSA", None])
def test_only_the_registered_algorithm_counts(alg: str | None) -> None:
    with pytest.raises(InvalidRequest):
        _judged(_signed(), Client(id="agent", name="A", backchannel_authentication_request_signing_alg=alg))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"sub_id": {"format": "email", "email": "a@b.example"}}, Hint(email="a@b.example")),
        ({"sub_id": {"format": "iss_sub", "iss": ISSUER, "sub": "x"}}, Hint(user_id="x")),
        ({"sub_id": {"format": "iss_sub", "iss": "https://evil.example", "sub": "x"}}, UnknownUser),
        ({"sub_id": "x"}, UnknownUser),
        ({}, UnknownUser),
        ({"exp": NOW - 11, "sub_id": {"format": "email", "email": "a@b.example"}}, ExpiredLoginHint),
        ({"exp": None}, InvalidRequest),
        ({"iss": "other"}, InvalidRequest),
        ({"aud": "https://other.example"}, InvalidRequest),
    ],
)
def test_login_hint_token(changes: dict[str, Any], found: Hint | type[ProtocolError]) -> None:
    text = _signed(**changes)
    if isinstance(found, Hint):
        assert signed_request.hint(text, ASKER, JWKS, issuer=ISSUER, now=NOW, skew=10) == found
    else:
        with pytest.raises(found):
            signed_request.hint(text, ASKER, JWKS, issuer=ISSUER, now=NOW, skew=10)
