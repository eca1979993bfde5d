"""The table of checks that an authorization request goes through."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from remit_server.errors import ProtocolError
from remit_server.records import Client
from remit_server.rules.authorization import ONE_FACTOR, Place, client_named, judge, pushed_reference, way_back

CALLBACK, LOOPBACK = "https://app.example/cb", "http://127.0.0.1/cb"
WEB = Client(id="web", name="Desk", redirect_uris=(CALLBACK,), grants=("authorization_code",))
NATIVE = replace(WEB, kind="native", redirect_uris=(LOOPBACK,))
GOOD = {
    "response_type": "code", "redirect_uri": CALLBACK, "code_challenge": "A" * 43, "code_challenge_method": "S256",
}  # fmt: skip


def said(place: Place = "authorize", client: Client = WEB, **changes: str | None) -> str | None:
    """The code of the error, None for a good request. A change that is None leaves a parameter out."""
    sent = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    try:
        judge(sent, client, way_back(sent, client), place)
    except ProtocolError as error:
        return error.code
    return None


@pytest.mark.parametrize("place", ["par", "authorize", "pushed"])
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"request": "a.b.c"}, "request_not_supported"),
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "form_post"}, None),
        ({"response_mode": "web_message"}, "unsupported_response_mode"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "A" * 42}, "invalid_request"),
        ({"code_challenge": "A" * 42 + "="}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "login consent"}, None),
        ({"prompt": "create"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "0"}, None),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "١"}, "invalid_request"),
        ({"acr_values": f"{ONE_FACTOR} urn:other"}, None),
        ({"acr_values": "urn:other"}, "unmet_authentication_requirements"),
        ({"dpop_jkt": "A" * 43}, None),
        ({"dpop_jkt": "A"}, "invalid_request"),
        ({"state": "s" * 4096}, None),
        ({"state": "s" * 4097}, "invalid_request"),
        ({"nonce": "n" * 1025}, "invalid_request"),
    ],
)
def test_what_is_checked_everywhere(place: Place, changes: dict[str, Any], code: str | None) -> None:
    assert said(place, **changes) == code


@pytest.mark.parametrize(
    ("changes", "client", "par", "authorize", "pushed"),
    [
        ({"request_uri": "urn:x"}, WEB, "invalid_request", "invalid_request", None),
        ({}, replace(WEB, require_par=True), None, "invalid_request", None),
        ({}, replace(WEB, grants=()), *["unauthorized_client"] * 3),
    ],
)
def test_what_depends_on_the_place(
    changes: dict[str, Any], client: Client, par: str, authorize: str, pushed: str
) -> None:
    assert [said(place, client, **changes) for place in ("par", "authorize", "pushed")] == [par, authorize, pushed]


@pytest.mark.parametrize(
    ("client", "uri", "known"),
    [
        (WEB, CALLBACK, True),
        (WEB, CALLBACK + "/", False),
        (WEB, CALLBACK + "?x", False),
        (WEB, "https://app.example:443/cb", False),
        (WEB, "HTTPS://app.example/cb", False),
        (NATIVE, LOOPBACK, True),
        (NATIVE, "http://127.0.0.1:51004/cb", True),
        (NATIVE, "http://127.0.0.1:51004/other", False),
        (NATIVE, "http://localhost:51004/cb", False),
        (replace(NATIVE, kind="web"), "http://127.0.0.1:51004/cb", False),
    ],
)
def test_where_an_answer_may_go(client: Client, uri: str, known: bool) -> None:
    assert (said(client=client, redirect_uri=uri) is None) is known


def test_a_redirect_uri_may_be_left_out_by_who_has_one_and_asks_for_no_id_token() -> None:
    assert said(redirect_uri=None) is None
    assert said(redirect_uri=None, scope="openid") == "invalid_redirect_uri"
    assert said(redirect_uri=None, client=replace(WEB, redirect_uris=(CALLBACK, LOOPBACK))) == "invalid_redirect_uri"


@pytest.mark.parametrize("client", [None, replace(WEB, state="suspended"), replace(WEB, state="retired")])
def test_who_is_not_there_asks_nobody(client: Client | None) -> None:
    with pytest.raises(ProtocolError) as refused:
        client_named(client)
    assert not refused.value.may_redirect


@pytest.mark.parametrize(
    ("uri", "code"), [("https://app.example/r", "request_uri_not_supported"), ("urn:x", "invalid_request_uri")]
)
def test_a_request_uri_of_somebody_else(uri: str, code: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        pushed_reference(uri)
    assert refused.value.code == code
