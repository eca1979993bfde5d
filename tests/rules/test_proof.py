"""What a passkey signs for an approval, and what of the kept evidence must hold: every member, spoiled one at a time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace
from tests.fixtures.authenticator import BE, BS, UP, UV, Authenticator, raw
from tests.ledger import proves
from tests.rules.test_passkeys import ORIGIN, PARTY, creation, registered

from remit_server.records import Passkey, SecondFactor
from remit_server.records.evidence import CodeShown, Signed
from remit_server.rules import passkeys, proof
from remit_server.rules.proof import challenge

ACT: dict[str, Any] = {"approval": "A1", "digest": "D1", "nonce": "N1"}
REMEMBER = {"times": 3, "expires_at": 1_800_000_000, "total": 500}


@pytest.fixture
def device() -> Authenticator:
    return Authenticator(ORIGIN)


@pytest.fixture
def passkey(device: Authenticator) -> Passkey:
    passkey = registered(device, device.create(creation()))
    assert passkey is not None
    return passkey


def evidence_of(device: Authenticator, passkey: Passkey, **act: Any) -> Signed:
    """Signed by the device as it is set, kept without being judged."""
    act = {**ACT, **act}
    answer = passkeys.read(device.get(passkeys.request(PARTY, challenge(**act))))
    assert answer is not None
    return proof.kept(PARTY, answer, passkey, **act)


@proves("approvals.proof")
def test_the_challenge_is_a_hash_that_anybody_can_work_out() -> None:
    """`printf '{"answer":"approve","approval":"A1","digest":"D1","nonce":"N1"}' | sha256sum`"""
    assert challenge(**ACT).hex() == "4166fb1c1c3e6be144145e8fbd112655454e740d1a9ab774208a6af52b1157b7"


@proves("attack.proof-elsewhere")
@pytest.mark.parametrize(
    "other", [{"approval": "A2"}, {"digest": "D2"}, {"nonce": "N2"}, {"remember": REMEMBER}, {"remember": {}}], ids=str
)
def test_each_part_makes_another_challenge(other: dict[str, Any]) -> None:
    assert challenge(**ACT) != challenge(**{**ACT, **other})


@proves("approvals.evidence")
def test_what_is_kept_verifies_by_itself(device: Authenticator, passkey: Passkey) -> None:
    assert proof.faults(evidence_of(device, passkey)) == []
    assert proof.faults(evidence_of(device, passkey, remember=REMEMBER)) == []


@proves("approvals.evidence")
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("approval", "A2"), ("digest", "D2"), ("nonce", "N2"), ("answer", "deny"), ("remember", REMEMBER),
        ("rp_id", "evil.example"), ("origin", "https://evil.example"), ("public_key", b"\xa0"), ("algorithm", -257),
        ("authenticator_data", b""), ("client_data", b"{}"), ("signature", b"\x30\x00"),
    ],
)  # fmt: skip
def test_no_member_may_be_another(device: Authenticator, passkey: Passkey, member: str, value: Any) -> None:
    assert proof.faults(replace(evidence_of(device, passkey), **{member: value}))


@proves("approvals.evidence")
def test_nor_may_a_bit_of_what_was_signed(device: Authenticator, passkey: Passkey) -> None:
    good = evidence_of(device, passkey)
    for member in ("authenticator_data", "client_data", "signature"):
        whole: bytes = getattr(good, member)
        for at in (0, len(whole) // 2, len(whole) - 1):
            spoiled = bytes([*whole[:at], whole[at] ^ 1, *whole[at + 1 :]])
            assert proof.faults(replace(good, **{member: spoiled})), (member, at)


@proves("approvals.evidence")
@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"flags": UV | BE | BS}, "nobody was present"), ({"flags": UP | BE | BS}, "the person was not verified"),
        ({"origin": "https://evil.example"}, "it was given to another origin"), ({"frame": True}, "it was given to another origin"),
        ({"rp_id": "evil.example"}, "it is of a passkey for another host"),
    ],
    ids=str,
)  # fmt: skip
def test_a_good_signature_over_the_wrong_thing(
    device: Authenticator, passkey: Passkey, said: dict[str, Any], fault: str
) -> None:
    for name, value in said.items():
        setattr(device, name, value)
    assert proof.faults(evidence_of(device, passkey)) == [fault]


@proves("approvals.evidence")
def test_the_making_of_a_passkey_is_no_use_of_it(device: Authenticator, passkey: Passkey) -> None:
    options = passkeys.request(PARTY, challenge(**ACT))
    answer = passkeys.read(device.get(options, type="webauthn.create"))
    assert answer is not None
    assert proof.faults(proof.kept(PARTY, answer, passkey, **ACT)) == ["it is no use of a passkey"]


def test_the_fingerprint_changes_with_any_member(device: Authenticator, passkey: Passkey) -> None:
    good = evidence_of(device, passkey)
    assert proof.fingerprint(good) != proof.fingerprint(replace(good, nonce="N2"))
    assert proof.fingerprint(CodeShown(approval="A1", digest="D1", step=1)) != proof.fingerprint(
        CodeShown(approval="A1", digest="D1", step=2)
    )


@proves("approvals.proof-code")
def test_which_ways_there_are(passkey: Passkey) -> None:
    app = SecondFactor(user_id="ada", secret="A" * 32, confirmed_at=0, last_step=0)
    assert proof.ways("passkey", PARTY, (passkey,), app) == ("passkey",)
    assert proof.ways("passkey_or_code", PARTY, (passkey,), app) == ("passkey",)
    assert proof.ways("passkey_or_code", PARTY, (), app) == ("code",)
    assert proof.ways("passkey_or_code", None, (), app) == ("code",)
    assert proof.ways("passkey", PARTY, (), app) == ()
    assert proof.ways("passkey_or_code", PARTY, (), None) == ()
    # The server has lost its host name: that is no way round a passkey.
    assert proof.ways("passkey_or_code", None, (passkey,), app) == ()


def test_the_client_data_are_kept_byte_for_byte(device: Authenticator, passkey: Passkey) -> None:
    text = device.get(passkeys.request(PARTY, challenge(**ACT)))
    answer = passkeys.read(text)
    assert answer is not None
    kept = proof.kept(PARTY, answer, passkey, **ACT)
    assert kept.client_data == raw(json.loads(text)["response"]["clientDataJSON"])
