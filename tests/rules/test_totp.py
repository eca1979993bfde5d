"""Time-based codes: the vectors that the RFCs print, the window, and what an app is given to read."""

from __future__ import annotations

from base64 import b32encode
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from tests.ledger import proves

from remit_server.rules import totp

SECRET = b32encode(b"12345678901234567890").decode()  # of RFC 4226 appendix D and RFC 6238 appendix B

COUNTED = ("755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489")
TIMED = {
    59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037",
    20000000000: "353130",
}  # fmt: skip
"""RFC 6238 prints eight digits; the last six are the code of six."""


@proves("signin.second-factor")
@pytest.mark.parametrize(("step", "code"), list(enumerate(COUNTED)))
def test_rfc_4226_appendix_d(step: int, code: str) -> None:
    assert totp.code_at(SECRET, step) == code


@proves("signin.second-factor")
@pytest.mark.parametrize(("now", "code"), list(TIMED.items()))
def test_rfc_6238_appendix_b(now: int, code: str) -> None:
    assert totp.matching(SECRET, code, now) == now // 30


@pytest.mark.parametrize(
    ("off", "step"), [(-61, None), (-31, None), (-30, 40), (0, 40), (29, 40), (59, 40), (60, None)]
)
def test_a_clock_may_be_one_step_off(off: int, step: int | None) -> None:
    assert totp.matching(SECRET, totp.code_at(SECRET, 40), 40 * 30 + off) == step


@pytest.mark.parametrize("typed", ["755 224", " 755224 ", "755224\n"])
def test_spaces_do_not_matter(typed: str) -> None:
    assert totp.matching(SECRET, typed, 30) == 0


@pytest.mark.parametrize(
    "typed", ["", "75522", "7552244", "\uff12\uff18\uff17\uff10\uff18\uff12", "755225", "-755224", "\udcff", "None"]
)
def test_anything_else_matches_nothing(typed: str) -> None:
    assert totp.matching(SECRET, typed, 30) is None


def test_what_an_app_reads() -> None:
    parts = urlsplit(totp.uri(SECRET, issuer="Acme: & Co", account="ada@example.com"))
    assert (parts.scheme, parts.netloc, unquote(parts.path)) == ("otpauth", "totp", "/Acme  & Co:ada@example.com")
    assert parse_qs(parts.query) == {"secret": [SECRET], "issuer": ["Acme: & Co"]}
