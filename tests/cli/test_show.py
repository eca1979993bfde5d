"""`remit audit show`: the story of an approval, verified from what is stored, and from a file alone."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace
from tests.endpoints.test_passkeys import ISSUER, KEY, ORIGIN, with_app, with_passkey
from tests.endpoints.test_proof import LESS, asked_of_ada
from tests.fixtures.asking import asked, poll
from tests.fixtures.authenticator import Authenticator, raw
from tests.fixtures.house import House, built
from tests.ledger import proves

from remit_server.approvals import story
from remit_server.approvals.story import Story
from remit_server.cli import main
from remit_server.records import Approval
from remit_server.records.evidence import Signed
from remit_server.rules import proof, totp
from remit_server.runtime.ids import base64url
from remit_server.storage.contract import Step, Unit
from remit_server.storage.groups.trail import Link
from remit_server.storage.sql import chain
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Update

MASTER = {"REMIT_MASTER_KEY": urlsafe_b64encode(b"k" * 32).rstrip(b"=").decode()}
EVIDENCE = proves("approvals.evidence")


async def show(*args: str | Path, database: str | None = None) -> Result:
    """The command, in a thread of its own, as it runs a loop of its own."""
    where = ["--database", database] if database else []
    return await asyncio.to_thread(CliRunner().invoke, main, ["audit", "show", *map(str, args), *where], env=MASTER)


@pytest.fixture
def phone() -> Authenticator:
    return Authenticator(ORIGIN)


async def approved(house: House, phone: Authenticator | None = None, **said: Any) -> Approval:
    """By passkey, and taken by the agent."""
    phone = phone or Authenticator(ORIGIN)
    await with_passkey(house, phone)
    one = await asked_of_ada(house)
    sent = await one.approve(await one.signed(phone, **said), **said)
    assert sent.status_code == 200, sent.text
    house.clock.forward(6)
    assert (await poll(house, one.request["auth_req_id"])).status_code == 200
    return await one.now()


@EVIDENCE
async def test_the_story_is_told_and_verified(database_url: str, tmp_path: Path) -> None:
    async with built(database_url, issuer=ISSUER, risky=True) as house:
        approval = await approved(house, details=LESS)
        file = tmp_path / "approval.json"
        told = await show(approval.id, "--export", file, database=database_url)
    assert told.exit_code == 0, told.output
    for words in (
        f"Approval {approval.id}: taken, risk high", "Trading assistant (agent) asked Ada Lovelace (auth0|ada)",
        approval.digest, approval.approved_digest, '"quantity": 7', "A person was asked", "The person approved",
        "handed to the client, once", "with its person present and verified", "the chain of all", "who held the device",
    ):  # fmt: skip
        assert words in told.output
    assert "WRONG" not in told.output
    alone = await show("--file", file)
    assert alone.exit_code == 0, alone.output
    assert "signed this challenge at http://localhost:8080" in alone.output
    assert "the chain of all" not in alone.output


async def test_as_json_and_without_what_would_open_anything(database_url: str) -> None:
    async with built(database_url, issuer=ISSUER, risky=True) as house:
        approval = await approved(house)
        told = json.loads((await show(approval.id, "--json", database=database_url)).output)
    assert told["verdict"]["faults"] == []
    assert told["story"]["evidence"]["way"] == "passkey"
    assert approval.handle not in json.dumps(told)
    assert not {"handle", "notification_token", "parcel", "user_code", "same"} & told["story"].keys()


@EVIDENCE
async def test_without_a_passkey_it_says_what_it_cannot_verify(database_url: str) -> None:
    async with built(database_url, issuer=ISSUER, risky=True, high_risk_proof="passkey_or_code") as house:
        await with_app(house)
        one = await asked_of_ada(house)
        waiting = await show(one.id, database=database_url)
        assert waiting.exit_code == 0
        assert "pending" in waiting.output
        code = totp.code_at(KEY, house.clock.at // totp.PERIOD)
        assert (await one.approve(proof={"code": code})).status_code == 200
        told = await show(one.id, database=database_url)
    assert told.exit_code == 0, told.output
    assert "the code was one of that moment" in told.output
    assert "its secret is shared with the server, whose word this is" in told.output


async def test_which_approval(database_url: str, tmp_path: Path) -> None:
    async with built(database_url, issuer=ISSUER):
        assert (await show("01NOBODY", database=database_url)).exit_code == 1
        assert (await show(database=database_url)).exit_code == 2
    (tmp_path / "other.json").write_text('{"id": "A"}')
    assert (await show("--file", tmp_path / "other.json")).exit_code == 2


async def test_a_file_writes_no_lines_of_ours(database_url: str, tmp_path: Path) -> None:
    """It is somebody's who would like to be believed; the terminal is not theirs."""
    async with built(database_url, issuer=ISSUER, risky=True) as house:
        approval = await approved(house)
        true = await story.read(house.store, approval.id)
    assert isinstance(true.evidence, Signed)
    evil = "X\n\nVerified\n  - everything\n\x1b[2J\u202e"
    event = json.loads(true.events[0].body)
    link = replace(true.events[0], body=json.dumps(event | {"about": event["about"] | {evil: evil}}))
    file = tmp_path / "approval.json"
    forged = replace(
        true, id=evil, state=evil, risk=evil, client=evil, client_id=evil, user_id=evil, person=evil, digest=evil,
        approved_digest=evil, changes=(evil,), kind=evil, nonce=evil, decided_by=evil,
        evidence=replace(true.evidence, origin=evil), events=(link, *true.events[1:]),
    )  # fmt: skip
    for state in ("taken", evil):
        file.write_bytes(msgspec.json.encode(replace(forged, state=state)))
        told = await show("--file", file)
        assert told.exit_code == 2, told.output
        assert not {"\x1b", "\u202e"} & {*told.output, *told.stderr}
        assert told.stdout.splitlines().count("Verified") <= 1
        assert "  - everything" not in told.output.splitlines()
        assert "⟨U+000A⟩" in told.stdout


async def test_what_is_closed_with_its_agent_says_so(database_url: str) -> None:
    async with built(database_url, issuer=ISSUER, risky=True) as house:
        one = await asked_of_ada(house)
        assert (await house.http.post("/me/v1/agents/agent/stop", headers=one.app)).status_code == 204
        told = await show(one.id, database=database_url)
    assert told.exit_code == 0, told.output
    assert "who denied it" in told.output


async def rewritten(house: House, approval: Approval) -> None:
    """By somebody who holds the master key, too: the row opens, and says something else."""
    store = house.store
    row = {"id": approval.id, "body": store.approvals._rows.params(approval)["body"]}
    await store.engine.commit(Unit([Step(Update(t.APPROVALS, set="body = :body", where="approvals.id = :id"), row)]))


FORGERIES: dict[str, Callable[[Approval], Approval]] = {
    "another amount": lambda a: replace(a, approved=({**a.approved[0], "quantity": 9},)),
    "another amount and its digest": lambda a: replace(
        a, approved=a.details, approved_digest=a.digest, evidence=_of(a, digest=a.digest)
    ),
    "no evidence": lambda a: replace(a, evidence=None),
    "no evidence, low risk": lambda a: replace(a, evidence=None, risk="low"),
    "another signature": lambda a: replace(a, evidence=_of(a, signature=b"\x30\x06\x02\x01\x01\x02\x01\x01")),
    "another nonce": lambda a: replace(a, nonce="x"),
    "another key": lambda a: replace(a, evidence=_of(a, public_key=b"\xa0")),
    "other details": lambda a: replace(a, details=({**a.details[0], "ticker": "ACME"},)),
}


def _of(approval: Approval, **members: Any) -> Signed:
    assert isinstance(approval.evidence, Signed)
    return replace(approval.evidence, **members)


@EVIDENCE
@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_row_that_was_rewritten_is_found(database_url: str, forgery: str) -> None:
    async with built(database_url, issuer=ISSUER, risky=True) as house:
        approval = await approved(house, details=LESS)
        assert (await show(approval.id, database=database_url)).exit_code == 0
        await rewritten(house, FORGERIES[forgery](approval))
        told = await show(approval.id, database=database_url)
    assert told.exit_code == 2
    assert "WRONG" in told.output
    assert "does not hold" in told.stderr


@EVIDENCE
@pytest.mark.parametrize(
    "change",
    [
        Update(t.APPROVALS, set="body = :bytes", where="approvals.id = :id", types={"bytes": "blob"}),
        Update(t.EVENTS, set="body = :bytes", where="events.subject = :id", types={"bytes": "blob"}),
        Update(t.EVENTS, set="hash = :bytes", where="events.subject = :id", types={"bytes": "blob"}),
    ],
    ids=["sealed row", "event", "hash"],
)
async def test_bytes_that_were_changed_are_found(database_url: str, change: Update) -> None:
    async with built(database_url, issuer=ISSUER, risky=True) as house:
        approval = await approved(house)
        await house.store.engine.commit(Unit([Step(change, {"id": approval.id, "bytes": b"\x01" * 60})]))
        told = await show(approval.id, database=database_url)
    assert told.exit_code == 2
    assert told.stderr


@EVIDENCE
@pytest.mark.parametrize("columns", ["state = 'pending'", "state = 'denied'", "decided_by = 'auth0|bob'", "spent = 1"])
async def test_columns_that_were_changed_are_found(database_url: str, columns: str) -> None:
    """What is not sealed, since statements look for it."""
    async with built(database_url, issuer=ISSUER, risky=True) as house:
        approval = await approved(house)
        change = Update(t.APPROVALS, set=columns, where="approvals.id = :id")
        await house.store.engine.commit(Unit([Step(change, {"id": approval.id})]))
        told = await show(approval.id, database=database_url)
    assert told.exit_code == 2
    assert "WRONG" in told.output


@EVIDENCE
async def test_what_was_allowed_ahead_leads_to_the_yes_that_allowed_it(database_url: str, phone: Authenticator) -> None:
    async with built(database_url, issuer=ISSUER) as house:
        await with_passkey(house, phone)
        one = await asked_of_ada(house)
        remember = {
            "times": 3, "expires_at": house.clock.at + 86400, "per_act": 50_000, "total": 100_000, "currency": "USD",
        }  # fmt: skip
        signed = await one.signed(phone, remember=remember)
        assert (await one.approve(signed, remember=remember)).status_code == 200
        await asked(house, binding_message="Once more")
        newest, *_ = await house.store.approvals.of_user("auth0|ada")
        assert newest.allowance_id
        told = await show(newest.id, database=database_url)
        assert told.exit_code == 0, told.output
        assert f"allowed this ahead with approval {one.id}, with a proof" in told.output
        true = await story.read(house.store, newest.id)
    for changed in (
        replace(true, allowance=()),
        replace(true, allowance_id="01OTHER"),
        replace(true, allowance_id=None, risk="high"),
        replace(_told(true, "allowance.given", proven=False), risk="high"),
    ):
        assert story.judge(changed).faults, changed
    for another in (
        _told(true, "allowance.given", type="payment"),
        _told(true, "allowance.given", expires_at=(true.decided_at or 0) - 3600),
        _told(_told(replace(true, risk="high"), "approval.asked", risk="high"), "allowance.given", proven=False),
        _told(true, "allowance.given", client="stranger"),
        _told(true, "allowance.given", user="auth0|bob"),
    ):
        (fault,) = story.judge(another).faults
        assert "the person had allowed this ahead" in fault


class TestFile:
    """A story by itself, in the hands of somebody who would like it to be another."""

    @pytest.fixture
    async def true(self, database_url: str, phone: Authenticator) -> Story:
        async with built(database_url, issuer=ISSUER, risky=True) as house:
            return await story.read(house.store, (await approved(house, phone, details=LESS)).id)

    @EVIDENCE
    async def test_it_holds_and_nothing_in_it_may_change(self, true: Story) -> None:
        assert story.judge(true).faults == ()
        evidence = true.evidence
        assert isinstance(evidence, Signed)
        for changed in (
            replace(true, user_id="auth0|bob"),
            replace(true, risk="low"),
            replace(true, client_id="stranger"),
            replace(true, id="01OTHER"),
            replace(true, digest=true.approved_digest),
            replace(true, details=true.approved),
            replace(true, decided_by="auth0|bob"),
            replace(true, decided_at=(true.decided_at or 0) + 3600),
            replace(true, expires_at=true.created_at - 60),
            replace(true, state="approved"),
            replace(true, events=true.events[1:]),
            replace(true, events=(*true.events, true.events[-1])),
            replace(true, passkey=()),
            replace(true, events=(replace(true.events[0], seq=1), *true.events[1:])),
            replace(true, events=(replace(true.events[0], before=b"x" * 32), *true.events[1:])),
            replace(true, evidence=replace(evidence, remember={"times": 3})),
        ):
            assert story.judge(changed).faults, changed

    @EVIDENCE
    async def test_a_forgery_with_a_trail_to_match_fails_for_its_key(self, true: Story) -> None:
        """Everything is made anew and signed by another passkey; but this person never added it."""
        thief = Authenticator(ORIGIN)
        made = thief.create({"user": {"id": ""}, "rp": {"id": "localhost"}, "challenge": ""})
        attested = raw(json.loads(made)["response"]["attestationObject"])
        key = attested[attested.index(thief.held[0].id) + 32 :]
        forged = _signed_again(true, thief, public_key=key, credential=thief.held[0].id)
        assert proof.faults(forged) == []
        faults = story.judge(replace(_with(true, forged), passkey=())).faults
        assert faults == ("not so: that passkey was this person's when they approved",)

    @EVIDENCE
    async def test_a_passkey_that_was_removed_before_does_not_come_back_by_turning_events_round(
        self, true: Story
    ) -> None:
        (added,) = true.passkey
        body = chain.encode(replace(added.event, kind="passkey.removed"))
        gone = replace(
            added, seq=added.seq + 1, body=body.decode(), hash=chain.digest(added.before, added.seq + 1, body)
        )
        (theirs,) = story.judge(replace(true, passkey=(added, gone))).faults
        assert theirs == "not so: that passkey was this person's when they approved"
        (order,) = story.judge(replace(true, passkey=(gone, added))).faults
        assert "its place in order" in order

    @EVIDENCE
    async def test_a_passkey_that_was_added_afterwards_did_not_sign(self, true: Story) -> None:
        (added,) = true.passkey
        seq = true.events[-1].seq + 1
        late = replace(added, seq=seq, hash=chain.digest(added.before, seq, added.body.encode()))
        (fault,) = story.judge(replace(true, passkey=(late,))).faults
        assert fault == "not so: that passkey was this person's when they approved"

    @EVIDENCE
    async def test_no_proof_at_all_is_none_for_a_high_risk(self, true: Story) -> None:
        (fault,) = story.judge(
            _told(replace(true, evidence=None, passkey=()), "approval.approved", evidence=None)
        ).faults
        assert fault == "not so: nothing asked for a proof, as the risk is low"

    @EVIDENCE
    async def test_a_spoiled_signature_with_a_trail_to_match_fails_by_itself(self, true: Story) -> None:
        assert isinstance(true.evidence, Signed)
        (fault,) = story.judge(_with(true, replace(true.evidence, signature=b"\x30\x00"))).faults
        assert "its signature is not one of its key" in fault

    @EVIDENCE
    async def test_another_good_signature_is_not_the_one_that_was_given(
        self, true: Story, phone: Authenticator
    ) -> None:
        evidence = _signed_again(true, phone)
        assert proof.faults(evidence) == []
        faults = story.judge(replace(true, evidence=evidence)).faults
        assert faults == ("not so: the evidence is the one that the trail names",)

    @EVIDENCE
    async def test_nor_is_one_for_what_was_asked_before_the_edit(self, true: Story, phone: Authenticator) -> None:
        evidence = _signed_again(true, phone, digest=true.digest)
        assert proof.faults(evidence) == []
        faults = story.judge(_with(true, evidence)).faults
        assert faults == ("not so: the evidence speaks of this approval and of what was approved",)

    @EVIDENCE
    async def test_details_have_one_digest_whatever_the_trail_says(self, true: Story) -> None:
        other = ({**true.details[0], "ticker": "ACME"},)
        faults = story.judge(_told(replace(true, details=other), "approval.asked", details=list(other))).faults
        assert faults == ("not so: the digest that names the request is that of its details",)

    async def test_it_reads_as_it_was_written(self, true: Story) -> None:
        assert msgspec.json.decode(msgspec.json.encode(true), type=Story) == true


def _signed_again(true: Story, device: Authenticator, **members: Any) -> Signed:
    """The same challenge, signed by what this device holds."""
    assert isinstance(true.evidence, Signed)
    challenge = proof.challenge(true.id, members.get("digest", true.approved_digest), true.nonce)
    response = json.loads(device.get({"rpId": "localhost", "challenge": base64url(challenge)}))["response"]
    return replace(
        true.evidence, client_data=raw(response["clientDataJSON"]), signature=raw(response["signature"]),
        authenticator_data=raw(response["authenticatorData"]), **members,
    )  # fmt: skip


def _with(true: Story, evidence: Signed) -> Story:
    return _told(replace(true, evidence=evidence), "approval.approved", evidence=proof.fingerprint(evidence))


def _told(true: Story, kind: str, **about: Any) -> Story:
    """With an event that says something else, and has the hash of that."""

    def retold(link: Link) -> Link:
        if link.event.kind != kind:
            return link
        whose = {name: about[name] for name in ("user", "client") if name in about}
        said = {name: value for name, value in about.items() if name not in whose}
        actor = replace(link.event.actor, **whose)
        event = replace(link.event, actor=actor, about={**link.event.about, **said})
        body = chain.encode(event)
        return replace(link, body=body.decode(), hash=chain.digest(link.before, link.seq, body))

    return replace(true, events=tuple(map(retold, true.events)), allowance=tuple(map(retold, true.allowance)))
