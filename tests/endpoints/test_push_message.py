"""The example of RFC 8291, appendix A."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.ledger import proves

from remit_server.approvals.channels.push_message import b64url, checked_keys, encrypted, from_b64url

BROWSER = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"


@proves("channels.web-push")
def test_the_rfcs_own_message() -> None:
    private = int.from_bytes(from_b64url("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big")
    body = encrypted(
        b"When I grow up, I want to be a watermelon",
        *checked_keys(BROWSER, AUTH),
        key=ec.derive_private_key(private, ec.SECP256R1()),
        salt=from_b64url("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert b64url(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


@pytest.mark.parametrize(
    ("browser", "auth"),
    [
        (BROWSER[:-4], AUTH), (BROWSER, AUTH[:-4]), ("A" * 87, AUTH), ("BA" + "A" * 85, AUTH), ("B C!" + BROWSER[4:], AUTH),
        (BROWSER, ""),
    ],
)  # fmt: skip
def test_keys_that_are_none(browser: str, auth: str) -> None:
    with pytest.raises(ValueError):
        checked_keys(browser, auth)
