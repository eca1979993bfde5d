"""The log holds nothing that opens anything."""

from __future__ import annotations

import io
import json
import logging

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.fixtures.canaries import log_apart
from tests.ledger import proves

from remit_server.runtime import logs
from remit_server.runtime.logs import _SECRET_TEXT, HIDDEN, hidden

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("access_token", "opaque"),
        ("client_secret", "hush"),
        ("password", "hush"),
        ("Cookie", "remit=abc"),
        ("code", "abc"),
        ("ticket", "abc"),
        ("auth_req_id", "abc"),
        ("dpop_proof", "abc"),
    ],
)
def test_what_is_named_like_a_secret_is_hidden(key: str, value: str) -> None:
    assert hidden(key, value) == HIDDEN


@pytest.mark.parametrize(
    "text",
    [
        f"refused {JWT} for ada",
        "Authorization: Bearer s3cr3t-value",
        "Basic czNjcjN0LXZhbHVl was wrong",
        "GET /callback?state=s3cr3t-value&code=s3cr3t-value",
        "could not reach smtp://user:s3cr3t-value@mail.example",
        "grant_type=refresh_token&refresh_token=s3cr3t-value",
    ],
)
def test_what_looks_like_a_secret_is_hidden_wherever_it_stands(text: str) -> None:
    for place in (text, [text], {"a": {"b": text}}):
        shown = json.dumps(hidden("detail", place))
        assert HIDDEN in shown
        assert not {"s3cr3t-value", "czNjcjN0LXZhbHVl", JWT} & set(shown.replace('"', " ").replace("=", " ").split())
        assert "s3cr3t" not in shown
        assert "eyJhbGci" not in shown


@pytest.mark.parametrize("thing", [ValueError(f"bad {JWT}"), f"Bearer {JWT}".encode()])
def test_what_is_written_as_text_is_looked_at_as_text(thing: object) -> None:
    line = logs._json(None, "", logs.redact(None, "", {"fault": thing, "among": [thing], "under": {"a": thing}}))
    assert "eyJhbGci" not in line
    assert line.count(HIDDEN) == 3


@pytest.mark.parametrize(
    ("key", "value"), [("route", "/oauth/token"), ("status", 200), ("trace", "a" * 32), ("error", "invalid_grant")]
)
def test_what_an_operator_needs_stays(key: str, value: object) -> None:
    assert hidden(key, value) == value


@given(
    st.lists(
        st.sampled_from(["eyJ", "Bearer", "dpop", " ", "\t", "\u2003", "code", "=", "://", "@", "a.b", "-"]),
        max_size=12,
    )
)
def test_nothing_is_passed_over_by_the_quick_look(parts: list[str]) -> None:
    text = "".join(parts)
    assert hidden("detail", text) == _SECRET_TEXT.sub(HIDDEN, text)


@given(st.text(max_size=50))
@example("Basic")
@example("dpop\nbearer")
def test_any_bearer_token_is_hidden(text: str) -> None:
    assert "abcdefgh12345678" not in hidden("detail", f"{text} Bearer abcdefgh12345678")


def test_a_parameter_that_is_a_whole_header_is_hidden_as_a_whole() -> None:
    assert hidden("detail", "x=1&code=DPoP abcdefgh12345678") == "x=1&[hidden]"


@proves("log.no-secrets")
def test_lines_are_json_and_libraries_are_redacted_too() -> None:
    out = io.StringIO()
    with log_apart():
        logs.configure(out=out)
        logging.getLogger("dependency").warning("failed with Bearer s3cr3t-value")
    (line,) = [json.loads(line) for line in out.getvalue().splitlines()]
    assert line["level"] == "warning"
    assert "s3cr3t-value" not in out.getvalue()
