"""Approving what is of high risk: a passkey signs exactly this, or a code is typed; and whoever shows neither decides nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.endpoints.test_passkeys import ISSUER, KEY, ORIGIN, with_app, with_passkey
from tests.fixtures.asking import ORDER, answer, asked, own_app, poll, waiting
from tests.fixtures.authenticator import BE, BS, UP, Authenticator, spoiled
from tests.fixtures.house import House, built, sqlite
from tests.ledger import proves

from remit_server.records import Approval, Passkey
from remit_server.records.evidence import CodeShown, Signed
from remit_server.rules import proof, totp

ADA = "auth0|ada"
LESS = [{**ORDER, "quantity": 7}]


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    """Where passkeys can be, and orders are of high risk. On SQLite."""
    async with built(sqlite(tmp_path), issuer=ISSUER, risky=True) as house:
        yield house


@pytest.fixture
async def any_home(database_url: str) -> AsyncIterator[House]:
    """On SQLite, then on PostgreSQL."""
    async with built(database_url, issuer=ISSUER, risky=True) as house:
        yield house


@pytest.fixture
async def lenient(database_url: str) -> AsyncIterator[House]:
    """Where a code will do of whoever has no passkey. On SQLite, then on PostgreSQL."""
    async with built(database_url, issuer=ISSUER, risky=True, high_risk_proof="passkey_or_code") as house:
        yield house


@pytest.fixture
def phone() -> Authenticator:
    return Authenticator(ORIGIN)


class Asked:
    """A request that waits for Ada, her app, and what she does with it."""

    def __init__(self, house: House, app: dict[str, str], request: dict[str, Any], approval: dict[str, Any]) -> None:
        self.house, self.app, self.request, self.approval = house, app, request, approval
        self.id: str = approval["id"]

    async def options(self, **said: Any) -> dict[str, Any]:
        """What a passkey is to sign."""
        body = {"version": self.approval["version"], "digest": self.approval["digest"], **said}
        sent = await self.house.http.post(f"/me/v1/approvals/{self.id}/proof", json=body, headers=self.app)
        assert sent.status_code == 200, sent.text
        told: dict[str, Any] = sent.json()
        assert told["risk"] == self.approval["risk"]
        options: dict[str, Any] = told["passkey"]
        return options

    async def signed(self, phone: Authenticator, **said: Any) -> str:
        return phone.get(await self.options(**said))

    async def approve(self, assertion: str | None = None, **said: Any) -> httpx2.Response:
        shown = {"proof": {"assertion": json.loads(assertion)}} if assertion else {}
        return await answer(self.house, self.app, self.approval, **shown, **said)

    async def now(self) -> Approval:
        found = await self.house.store.approvals.get(self.id)
        assert found
        return found


async def asked_of_ada(house: House, **params: Any) -> Asked:
    request, app = await asked(house, **params), await own_app(house)
    (newest, *_) = sorted(await waiting(house, app), key=lambda each: str(each["id"]), reverse=True)
    return Asked(house, app, request, newest)


async def undecided(one: Asked, sent: httpx2.Response, *ways: str) -> None:
    """Nothing was decided, and the person is told what would do."""
    body = sent.json()
    assert (sent.status_code, body["error"]) == (403, "proof_required"), body
    assert body["ways"] == list(ways)
    kept = await one.now()
    assert (kept.state, kept.evidence, kept.grant_id) == ("pending", None, None)
    assert not await one.house.events("approval.approved")
    polled = await poll(one.house, one.request["auth_req_id"])
    assert polled.json()["error"] in {"authorization_pending", "slow_down"}


class TestPasskey:
    @proves("approvals.proof")
    async def test_it_signs_exactly_this(self, any_home: House, phone: Authenticator) -> None:
        passkey = await with_passkey(any_home, phone)
        one = await asked_of_ada(any_home)
        await undecided(one, await one.approve(), "passkey")
        sent = await one.approve(await one.signed(phone))
        assert (sent.status_code, sent.json()["state"]) == (200, "approved"), sent.text
        kept = await one.now()
        assert isinstance(kept.evidence, Signed)
        assert (kept.evidence.approval, kept.evidence.digest, kept.evidence.nonce) == (one.id, kept.digest, kept.nonce)
        assert (kept.evidence.rp_id, kept.evidence.origin, kept.evidence.algorithm) == ("localhost", ORIGIN, -7)
        assert (kept.evidence.credential, kept.evidence.public_key) == (passkey.credential, passkey.public_key)
        assert proof.faults(kept.evidence) == []
        (told,) = await any_home.events("approval.approved")
        assert (told.about["proof"], told.about["evidence"]) == ("passkey", proof.fingerprint(kept.evidence))
        (used,) = await any_home.events("passkey.used")
        assert (used.subject, used.about["approval"]) == (passkey.id, one.id)
        again = await any_home.store.passkeys.get(passkey.id)
        assert again and (again.sign_count, again.used_at) == (1, any_home.clock.at)

    async def test_the_token_says_that_it_was_proven(self, home: House, phone: Authenticator) -> None:
        await with_passkey(home, phone)
        one = await asked_of_ada(home)
        await one.approve(await one.signed(phone))
        grant = await home.store.grants.get((await one.now()).grant_id or "")
        assert grant and grant.acr == "urn:remit:acr:2fa"
        assert grant.amr[-3:] == ("swk", "user", "mfa")

    @proves("approvals.proof")
    async def test_what_was_edited_is_what_is_signed(self, home: House, phone: Authenticator) -> None:
        await with_passkey(home, phone)
        one = await asked_of_ada(home)
        await undecided(one, await one.approve(await one.signed(phone), details=LESS), "passkey")
        await undecided(one, await one.approve(await one.signed(phone, details=LESS)), "passkey")
        sent = await one.approve(await one.signed(phone, details=LESS), details=LESS)
        assert sent.status_code == 200, sent.text
        kept = await one.now()
        assert kept.evidence and kept.evidence.digest == kept.approved_digest != kept.digest

    @proves("attack.proof-forged")
    @pytest.mark.parametrize("spoil", ["signature", "authenticatorData", "clientDataJSON"])
    async def test_nothing_of_it_may_be_changed(self, home: House, phone: Authenticator, spoil: str) -> None:
        await with_passkey(home, phone)
        one, other = await asked_of_ada(home), Authenticator(ORIGIN, held=phone.held)
        signed, another = await one.signed(phone), await one.signed(other, details=LESS)
        await undecided(
            one, await one.approve(spoiled(signed, **{spoil: json.loads(another)["response"][spoil]})), "passkey"
        )
        assert (await home.events("passkey.refused"))[0].about["why"] == "proof"

    @proves("attack.proof-forged")
    @pytest.mark.parametrize(
        "spoil",
        [{"origin": "http://localhost:8081"}, {"rp_id": "evil.example"}, {"flags": UP | BE | BS}, {"frame": True}],
        ids=str,
    )
    async def test_only_here_and_with_its_person(
        self, home: House, phone: Authenticator, spoil: dict[str, Any]
    ) -> None:
        await with_passkey(home, phone)
        one = await asked_of_ada(home)
        for name, value in spoil.items():
            setattr(phone, name, value)
        await undecided(one, await one.approve(await one.signed(phone)), "passkey")

    @proves("attack.proof-forged")
    async def test_it_is_no_sign_in_and_a_sign_in_is_no_proof(self, home: House, phone: Authenticator) -> None:
        await with_passkey(home, phone)
        one = await asked_of_ada(home)
        made = phone.get(await one.options(), type="webauthn.create")
        await undecided(one, await one.approve(made), "passkey")
        other = {**await one.options(), "challenge": "c2lnbiBpbg"}
        await undecided(one, await one.approve(phone.get(other)), "passkey")

    @proves("attack.proof-elsewhere")
    async def test_it_is_for_one_request(self, home: House, phone: Authenticator) -> None:
        await with_passkey(home, phone)
        one = await asked_of_ada(home)
        two = await asked_of_ada(home, binding_message="The same, once more")
        assert one.id != two.id
        assert one.approval["digest"] == two.approval["digest"]
        signed = await one.signed(phone)
        sent = await two.approve(signed)
        assert sent.json()["error"] == "proof_required"
        assert (await two.now()).state == "pending"

    @proves("attack.proof-elsewhere")
    async def test_it_is_of_the_person_who_is_asked(self, home: House, phone: Authenticator) -> None:
        await with_passkey(home, phone)
        bobs = Authenticator(ORIGIN)
        await with_passkey(home, bobs, "bob")
        one = await asked_of_ada(home)
        await undecided(one, await one.approve(await one.signed(bobs)), "passkey")
        assert (await home.events("passkey.refused"))[0].about["why"] == "person"
        held = bobs.held[0]
        held.handle = phone.held[0].handle
        await undecided(one, await one.approve(phone.get(await one.options(), held)), "passkey")
        stranger = Authenticator(ORIGIN)
        stranger.create({"user": {"id": ""}, "rp": {"id": "localhost"}, "challenge": ""})
        await undecided(one, await one.approve(stranger.get(await one.options())), "passkey")

    @proves("attack.proof-replayed")
    async def test_it_counts_once(self, any_home: House, phone: Authenticator) -> None:
        phone.counts = False
        await with_passkey(any_home, phone)
        one = await asked_of_ada(any_home)
        signed = await one.signed(phone)
        sent = await asyncio.gather(*(one.approve(signed) for _ in range(6)))
        assert sorted(each.status_code for each in sent) == [200, *[409] * 5]
        assert len(await any_home.events("approval.approved")) == 1

    @proves("attack.proof-replayed")
    async def test_nor_does_a_copy_that_is_behind(self, any_home: House, phone: Authenticator) -> None:
        await with_passkey(any_home, phone)
        one = await asked_of_ada(any_home)
        signed = await one.signed(phone)
        two = await asked_of_ada(any_home, binding_message="Another")
        assert (await two.approve(await two.signed(phone))).status_code == 200
        sent = await one.approve(signed)
        assert sent.json()["error"] == "proof_required"
        assert (await any_home.events("passkey.refused"))[0].about["why"] == "count"

    @proves("attack.proof-replayed")
    async def test_a_count_that_another_node_has_seen_loses(
        self, any_home: House, phone: Authenticator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """This node has read the passkey before the other wrote."""
        passkey = await with_passkey(any_home, phone)
        one = await asked_of_ada(any_home)
        two = await asked_of_ada(any_home, binding_message="Another")
        signed = await one.signed(phone)
        assert (await two.approve(await two.signed(phone))).status_code == 200

        async def as_it_was(_: str) -> Passkey:
            return passkey

        monkeypatch.setattr(any_home.store.passkeys, "get", as_it_was)
        sent = await one.approve(signed)
        assert (sent.status_code, sent.json()["error"]) == (409, "conflict")
        assert (await one.now()).state == "pending"
        (refused,) = await any_home.events("passkey.refused")
        assert refused.about["why"] == "used before"

    async def test_nobody_tries_without_end(self, home: House, phone: Authenticator) -> None:
        """Each that does not hold is an event, on the trail of whoever owns the passkey."""
        await with_passkey(home, phone)
        one = await asked_of_ada(home)
        for _ in range(60):
            assert (await one.approve('{"id": "x"}')).status_code == 403
        sent = await one.approve(await one.signed(phone))
        assert (sent.status_code, sent.json()["error"]) == (429, "too_many_requests"), sent.text
        assert int(sent.headers["retry-after"]) > 0

    async def test_a_passkey_that_is_gone_proves_nothing(self, home: House, phone: Authenticator) -> None:
        passkey = await with_passkey(home, phone)
        one = await asked_of_ada(home)
        signed = await one.signed(phone)
        await home.store.commit(home.store.passkeys.remove(passkey.id, ADA))
        await undecided(one, await one.approve(signed))

    async def test_an_allowance_beside_it_is_signed_too(self, phone: Authenticator, tmp_path: Path) -> None:
        async with built(sqlite(tmp_path), issuer=ISSUER) as home:
            await with_passkey(home, phone)
            one = await asked_of_ada(home)
            remember = {
                "times": 3, "expires_at": home.clock.at + 86400, "per_act": 50_000, "total": 100_000, "currency": "USD",
            }  # fmt: skip
            body = {"version": one.approval["version"], "digest": one.approval["digest"], "remember": remember}
            told = await home.http.post(f"/me/v1/approvals/{one.id}/proof", json=body, headers=one.app)
            signed = phone.get(told.json()["passkey"])
            more = {**remember, "times": 4}
            assert (await one.approve(signed, remember=more)).json()["error"] == "proof_required"
            assert (await one.approve(signed)).json()["error"] == "proof_required"
            signed = phone.get(told.json()["passkey"])
            sent = await one.approve(signed, remember=remember)
            assert sent.status_code == 200, sent.text


class TestWhoHasNone:
    @proves("approvals.proof")
    async def test_is_told_what_to_do(self, home: House) -> None:
        one = await asked_of_ada(home)
        sent = await one.approve()
        await undecided(one, sent)
        assert sent.json()["set_up"] == ISSUER + "security/passkeys"
        assert (await one.options()) is None

    async def test_may_still_say_no(self, home: House) -> None:
        one = await asked_of_ada(home)
        assert (await one.approve(answer="deny")).json()["state"] == "denied"

    async def test_needs_none_for_what_is_of_low_risk(self, house: House) -> None:
        request, app = await asked(house), await own_app(house)
        (approval,) = await waiting(house, app)
        assert (await answer(house, app, approval)).json()["state"] == "approved"
        kept = await house.store.approvals.get(approval["id"])
        assert kept and kept.evidence is None
        assert request

    @proves("approvals.proof")
    async def test_a_code_will_not_do_unless_the_organisation_says_so(self, home: House) -> None:
        await with_app(home)
        one = await asked_of_ada(home)
        code = totp.code_at(KEY, home.clock.at // totp.PERIOD)
        await undecided(one, await one.approve(proof={"code": code}))


class TestCode:
    @proves("approvals.proof-code")
    async def test_a_code_is_the_second_best(self, lenient: House) -> None:
        one = await asked_of_ada(lenient)
        await undecided(one, await one.approve())
        await with_app(lenient)
        await undecided(one, await one.approve(), "code")
        await undecided(one, await one.approve(proof={"code": "000000"}), "code")
        step = lenient.clock.at // totp.PERIOD
        sent = await one.approve(proof={"code": totp.code_at(KEY, step)})
        assert sent.status_code == 200, sent.text
        kept = await one.now()
        assert kept.evidence == CodeShown(approval=one.id, digest=kept.digest, step=step)
        (told,) = await lenient.events("approval.approved")
        assert (told.about["proof"], told.about["evidence"]) == ("code", proof.fingerprint(kept.evidence))
        grant = await lenient.store.grants.get(kept.grant_id or "")
        assert grant and grant.amr[-2:] == ("otp", "mfa")

    @proves("approvals.proof-code")
    async def test_it_counts_once(self, lenient: House) -> None:
        await with_app(lenient)
        one = await asked_of_ada(lenient)
        two = await asked_of_ada(lenient, binding_message="Another")
        code = {"code": totp.code_at(KEY, lenient.clock.at // totp.PERIOD)}
        sent = await asyncio.gather(one.approve(proof=code), two.approve(proof=code))
        assert sorted(each.status_code for each in sent) == [200, 409]
        assert len(await lenient.events("approval.approved")) == 1
        assert len(await lenient.events("user.second_factor_refused")) == 1

    @proves("approvals.proof-code")
    async def test_a_passkey_is_not_got_round_by_a_code(self, lenient: House, phone: Authenticator) -> None:
        await with_passkey(lenient, phone)
        await with_app(lenient)
        one = await asked_of_ada(lenient)
        code = totp.code_at(KEY, lenient.clock.at // totp.PERIOD)
        await undecided(one, await one.approve(proof={"code": code}), "passkey")

    @proves("approvals.proof-code")
    async def test_guesses_are_counted_with_those_at_sign_in(self, lenient: House) -> None:
        await with_app(lenient)
        one = await asked_of_ada(lenient)
        for _ in range(lenient.machines.settings.login_attempts):
            assert (await one.approve(proof={"code": "000000"})).status_code == 403
        code = totp.code_at(KEY, lenient.clock.at // totp.PERIOD)
        sent = await one.approve(proof={"code": code})
        assert sent.status_code == 429
        assert int(sent.headers["retry-after"]) > 0
        browser = await lenient.sign_in()
        page = await browser.submit(code=code)
        assert page.status_code == 429


async def test_who_asks_learns_nothing_of_it(home: House, phone: Authenticator) -> None:
    """The options name the person's passkeys: the app that asks never gets them, and nobody else's are told."""
    await with_passkey(home, phone)
    one = await asked_of_ada(home)
    bobs = await own_app(home, "auth0|bob")
    body = {"version": 0, "digest": one.approval["digest"]}
    assert (await home.http.post(f"/me/v1/approvals/{one.id}/proof", json=body, headers=bobs)).status_code == 404
    stale = await home.http.post(f"/me/v1/approvals/{one.id}/proof", json={**body, "version": 9}, headers=one.app)
    assert stale.status_code == 409
    for garbage in (b"", b"[]", b'{"version": 0}', b'{"version": 0, "digest": "", "x": 1}'):
        sent = await home.http.post(f"/me/v1/approvals/{one.id}/proof", content=garbage, headers=one.app)
        assert sent.status_code == 400
    sent = await home.http.post(
        f"/me/v1/approvals/{one.id}/proof", json={**body, "details": [{**ORDER, "quantity": 11}]}, headers=one.app
    )
    assert (sent.status_code, sent.json()["error"]) == (400, "invalid_authorization_details")


@proves("attack.proof-elsewhere")
async def test_the_card_asks_for_its_own_person_only(home: House, phone: Authenticator) -> None:
    await with_passkey(home, phone)
    one = await asked_of_ada(home)
    home.clock.forward(60)
    path = f"/approvals/{one.id}/proof"
    bob = await home.sign_in("bob")
    await bob.get("/device")
    csrf = dict(bob.form.fields)["csrf"]
    sent = {"version": str(one.approval["version"]), "digest": one.approval["digest"]}
    assert (await bob.post(path, {**sent, "csrf": csrf})).status_code == 404
    assert (await bob.post(path, sent)).status_code == 403
    nobody = home.browser()
    page = await nobody.post(path, sent)
    assert page.status_code == 403
