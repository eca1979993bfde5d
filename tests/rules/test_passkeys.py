"""What counts as an answer of a passkey: every member of it that must hold, spoiled one at a time."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import Any

import cbor2
import pytest
from msgspec.structs import replace
from tests.fixtures.authenticator import BE, BS, UP, UV, Authenticator, spoiled
from tests.ledger import proves

from remit_server.records import Passkey
from remit_server.rules import passkeys
from remit_server.rules.passkeys import Asserted, Party, Refused
from remit_server.runtime.ids import base64url

ORIGIN, OURS, OTHER = "https://id.example", b"c" * 32, b"d" * 32
PARTY = Party("id.example", ORIGIN)
HANDLE = b"h" * 32


def creation(challenge: bytes = OURS) -> dict[str, Any]:
    return passkeys.creation(
        PARTY, challenge, organisation="Acme", handle=HANDLE, account="ada@example.com", called="Ada", have=()
    )


def registered(device: Authenticator, answer: str) -> Passkey | None:
    read = passkeys.read(answer)
    return read and passkeys.registered(PARTY, read, OURS, user_id="ada", name="Phone", handle=HANDLE, now=7)


@pytest.fixture
def device() -> Authenticator:
    return Authenticator(ORIGIN)


@pytest.fixture
def passkey(device: Authenticator) -> Passkey:
    passkey = registered(device, device.create(creation()))
    assert passkey is not None
    return passkey


def judged(
    answer: str, passkey: Passkey, *, unasked: bool = True, challenge: bytes = OURS
) -> Asserted | Refused | None:
    read = passkeys.read(answer)
    return read and passkeys.asserted(PARTY, read, challenge, passkey, unasked=unasked)


def asked(have: tuple[Passkey, ...] = (), challenge: bytes = OURS) -> dict[str, Any]:
    return passkeys.request(PARTY, challenge, have=have)


@pytest.mark.parametrize(
    ("issuer", "party"),
    [
        ("https://id.example/", PARTY),
        ("https://ID.Example:443/tenant", PARTY),
        ("https://id.example:8443", Party("id.example", "https://id.example:8443")),
        ("http://localhost:8080/", Party("localhost", "http://localhost:8080")),
        ("http://127.0.0.1:8080/", None),
        ("http://[::1]:8080/", None),
    ],
)
def test_who_we_are_to_browsers(issuer: str, party: Party | None) -> None:
    assert passkeys.party_of(issuer) == party


def test_what_a_browser_is_asked_for(passkey: Passkey) -> None:
    made = creation()
    assert (made["rp"]["id"], made["attestation"]) == ("id.example", "none")
    assert made["authenticatorSelection"]["userVerification"] == "required"
    assert made["authenticatorSelection"]["residentKey"] == "preferred"
    again = passkeys.creation(
        PARTY, OURS, organisation="", handle=HANDLE, account="", called="", have=[passkey]
    )  # fmt: skip
    described = {"type": "public-key", "id": base64url(passkey.credential), "transports": ["hybrid", "internal"]}
    assert again["excludeCredentials"] == [described]
    assert asked((passkey,))["allowCredentials"] == [described]
    assert asked()["userVerification"] == "required"


def test_a_passkey_as_it_was_made(passkey: Passkey) -> None:
    assert (passkey.name, passkey.handle, passkey.created_at) == ("Phone", HANDLE, 7)
    assert (passkey.synced, passkey.backed_up, passkey.transports) == (True, True, ("hybrid", "internal"))
    assert passkeys.amr(passkey) == ("swk", "user", "mfa")
    assert passkeys.amr(replace(passkey, synced=False)) == ("hwk", "user", "mfa")


@proves("attack.passkey-forged")
@pytest.mark.parametrize(
    "change",
    [
        {"origin": "https://id.example.evil.example"}, {"origin": "https://id.example:444"}, {"origin": "http://id.example"},
        {"origin": "https://ID.example"}, {"rp_id": "example"}, {"rp_id": "evil.example"}, {"flags": UP}, {"flags": UV},
        {"flags": UP | UV | BS}, {"frame": True},
    ],
    ids=str,
)  # fmt: skip
def test_what_makes_no_passkey(change: dict[str, Any]) -> None:
    device = Authenticator(**{"origin": ORIGIN, **change})
    assert registered(device, device.create(creation())) is None


@proves("attack.passkey-forged")
def test_nor_does_another_challenge_kind_or_attestation(device: Authenticator) -> None:
    assert registered(device, device.create(creation(OTHER))) is None
    assert registered(device, device.create(creation(), type="webauthn.get")) is None
    for fmt in ("fido-u2f", "android-safetynet", "apple", "tpm", "", 7):
        assert registered(device, device.create(creation(), fmt=fmt)) is None  # type: ignore[arg-type]
    statement = {"alg": -7, "sig": b"x", "x5c": [b"x"]}
    assert registered(device, device.create(creation(), fmt="packed", statement=statement)) is None


def test_the_count_and_the_copies_are_noted(device: Authenticator, passkey: Passkey) -> None:
    assert judged(device.get(asked()), passkey) == Asserted(1, backed_up=True)
    device.flags = UP | UV | BE
    assert judged(device.get(asked()), passkey) == Asserted(2, backed_up=False)


@proves("attack.passkey-forged")
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"origin": "https://evil.example"}, "proof"), ({"origin": "https://id.example."}, "proof"),
        ({"rp_id": "evil.example"}, "proof"), ({"flags": UP | BE | BS}, "proof"), ({"flags": UV | BE | BS}, "proof"),
        ({"flags": UP | UV | BS}, "proof"), ({"frame": True}, "proof"), ({"flags": UP | UV}, "device"),
    ],
    ids=str,
)  # fmt: skip
def test_what_proves_nothing(device: Authenticator, passkey: Passkey, change: dict[str, Any], why: str) -> None:
    for name, value in change.items():
        setattr(device, name, value)
    assert judged(device.get(asked()), passkey) == Refused(why)  # type: ignore[arg-type]


@proves("attack.passkey-forged")
def test_nor_does_an_answer_to_something_else(device: Authenticator, passkey: Passkey) -> None:
    good = device.get(asked())
    assert isinstance(judged(good, passkey), Asserted)
    assert judged(good, passkey, challenge=OTHER) == Refused("proof")
    assert judged(device.get(asked(), type="webauthn.create"), passkey) == Refused("proof")
    other = registered(device, device.create(creation()))
    assert other
    assert judged(good, other) == Refused("proof")
    assert judged(good, replace(passkey, public_key=other.public_key)) == Refused("proof")
    said = json.loads(urlsafe_b64decode(json.loads(good)["response"]["clientDataJSON"] + "==="))
    for change in ({"origin": "https://evil.example"}, {"challenge": base64url(OTHER)}):
        forged = spoiled(good, clientDataJSON=base64url(json.dumps(said | change).encode()))
        assert judged(forged, passkey, challenge=OTHER if "challenge" in change else OURS) == Refused("proof")


@proves("attack.passkey-forged")
def test_the_name_on_the_key_is_its_persons(device: Authenticator, passkey: Passkey) -> None:
    good = device.get(asked())
    assert judged(spoiled(good, userHandle=base64url(b"bob")), passkey) == Refused("person")
    assert judged(spoiled(good, userHandle=base64url(b"bob")), passkey, unasked=False) == Refused("person")
    assert judged(spoiled(good, userHandle=None), passkey) == Refused("person")
    assert isinstance(judged(spoiled(good, userHandle=None), passkey, unasked=False), Asserted)


@proves("attack.passkey-copied")
@pytest.mark.parametrize(
    ("known", "says", "fine"),
    [(0, 0, True), (0, 1, True), (7, 8, True), (7, 7, False), (7, 6, False), (7, 0, False), (7, 2**32 - 1, True)],
)
def test_a_count_that_goes_back_is_a_copys(
    device: Authenticator, passkey: Passkey, known: int, says: int, *, fine: bool
) -> None:
    found = judged(device.get(asked(), count=says), replace(passkey, sign_count=known))
    assert found == (Asserted(says, backed_up=True) if fine else Refused("count"))


GARBAGE = [
    "", "{", "null", "[]", '"x"', "7", "{}", '{"response":7}', '{"response":{"clientDataJSON":7},"rawId":"x"}', "[" * 19_000,
    '{"a":' * 3000, "x" * 20_001, "\0", "\ud800", '{"rawId":"é","response":{"clientDataJSON":"e30"}}', "1e999",
]  # fmt: skip


@pytest.mark.parametrize("text", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_no_answer(text: str) -> None:
    assert passkeys.read(text) is None


VALUES: list[Any] = [
    None, 7, True, [], {}, "", "A", "=", "\ud800", "é" * 40, "A" * 10_000, base64url(b"\x81" * 9000), base64url(b"\xa1" * 9000),
    base64url(b"\x9b" + b"\xff" * 8), base64url(b"\xbf"), base64url(b"[" * 9000), base64url(b'{"type":{}}'), base64url(bytes(37)),
    base64url(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": b"\xff" * 200})), base64url(cbor2.dumps({"fmt": []})),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_nor_is_what_has_garbage_in_it(device: Authenticator, passkey: Passkey, value: Any) -> None:
    made, used = device.create(creation()), device.get(asked())
    for member in ("clientDataJSON", "attestationObject"):
        assert registered(device, spoiled(made, **{member: value})) is None
    for member in ("clientDataJSON", "authenticatorData", "signature"):
        assert not isinstance(judged(spoiled(used, **{member: value}), passkey), Asserted)
    assert not isinstance(judged(spoiled(used, userHandle=value), passkey), Asserted)
    found = registered(device, spoiled(made, transports=value))
    assert found
    assert found.transports == ()


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("  My   phone ", "My phone"), ("é" * 60, "é" * 60), ("x" * 61, None), ("", None), (" \n", None), ("a\u202eb", None),
        ("a\0b", None),
    ],
)  # fmt: skip
def test_names(typed: str, name: str | None) -> None:
    assert passkeys.name_of(typed) == name
