"""The API's half of the SDK: who may pass. Every test here is an attack that has to fail (attacks 10, 11 and 18)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import multiprocessing
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tests.journeys.hostile import (
    EC,
    OTHER_RSA,
    RSA,
    Dropped,
    HandClock,
    Hostile,
    hostile_server,
    listening,
    oauth_error,
    secret_of,
    sign,
)

from remit import (
    AlreadySpent,
    AuthenticationRequired,
    Caller,
    DetailsChanged,
    InsufficientScope,
    MemoryReplayStore,
    Misconfigured,
    NotAllowed,
    ProofKey,
    ReplayStore,
    Seen,
    SQLiteReplayStore,
    Token,
    Unavailable,
    Verifier,
)
from remit.integrations.starlette import Guard

BROKER = "https://broker.example"
URL = f"{BROKER}/orders"
JWKS = "/.well-known/jwks.json"
ORDER = {"type": "trade_order", "side": "buy", "ticker": "ZEKO", "qty": 10}
ACT = {"side": "buy", "ticker": "ZEKO", "qty": 10}


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Hostile]:
    async with hostile_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _decent(server: Hostile) -> None:
    server.reset()


@pytest.fixture
async def verify(server: Hostile) -> AsyncIterator[Verifier]:
    verifier = Verifier(server.issuer, BROKER, clock=server.clock)
    yield verifier
    await verifier.aclose()


async def bearer(verify: Verifier, token: str) -> Caller:
    return await verify(f"Bearer {token}", method="POST", url=URL)


# Tokens


@pytest.mark.parametrize(("alg", "kid"), [("RS256", "rsa"), ("PS256", "rsa"), ("ES256", "ec"), ("EdDSA", "ed")])
async def test_a_good_token_makes_a_caller(server: Hostile, verify: Verifier, alg: str, kid: str) -> None:
    token = server.access(
        header={"alg": alg, "kid": kid},
        aud=["https://other.example", BROKER],
        act={"sub": "researcher", "act": {"sub": "assistant"}},
        authorization_details=[ORDER],
    )
    caller = await bearer(verify, token)
    assert (caller.sub, caller.agent, caller.actors) == ("auth0|ada", "researcher", ("researcher", "assistant"))
    assert caller.scopes == {"trade:write"}
    assert caller.details == (ORDER,)
    assert token not in repr(caller)
    with pytest.raises(TypeError):
        caller.claims["sub"] = "auth0|bob"  # type: ignore[index]


def forged(server: Hostile) -> dict[str, str]:
    claims = json.loads(json.dumps(part_of(server.access())))
    good = {"alg": "RS256", "kid": "rsa", "typ": "at+jwt"}
    head, body, signature = server.access().split(".")
    evil_jwk = {**OTHER_RSA.as_dict(private=False), "kid": "rsa"}
    return {
        "alg none": sign(good | {"alg": "none"}, claims, None),
        "alg None": sign(good | {"alg": "none"}, claims, None).replace("none", "None"),
        "HS256 with the public key": sign(good | {"alg": "HS256"}, claims, secret_of(RSA)),
        "another key": sign(good, claims, OTHER_RSA),
        "another key beside a jku": sign(good | {"jku": f"{server.url}/evil.json"}, claims, OTHER_RSA),
        "another key beside an x5u": sign(good | {"x5u": f"{server.url}/evil.json"}, claims, OTHER_RSA),
        "another key beside its jwk": sign(good | {"jwk": evil_jwk}, claims, OTHER_RSA),
        "an algorithm of another kind of key": sign(good | {"alg": "ES256"}, claims, EC),
        "a critical extension": sign(good | {"crit": ["exp"], "exp": 1}, claims, RSA),
        "no kid": sign({"alg": "RS256", "typ": "at+jwt"}, claims, RSA),
        "kid as a path": sign(good | {"kid": "../../rsa"}, claims, RSA),
        "kid as a list": sign(good | {"kid": ["rsa"]}, claims, RSA),
        "no typ": sign({"alg": "RS256", "kid": "rsa"}, claims, RSA),
        "an ID token": sign(good | {"typ": "JWT"}, claims, RSA),
        "a logout token": sign(good | {"typ": "logout+jwt"}, claims, RSA),
        "a DPoP proof": sign(good | {"typ": "dpop+jwt"}, claims, RSA),
        "a changed body": f"{head}.{body[:-2]}AA.{signature}",
        "no signature": f"{head}.{body}.",
        "not JSON": sign(good, b"<xml>", RSA),
        "a list": sign(good, b"[]", RSA),
        "an encrypted token": f"{head}.a.b.c.d",
        "rubbish": "a.b.c",
        "an endless token": server.access(padding="x" * 20_000),
        "another issuer": server.access(iss="https://evil.example/"),
        "the issuer without its slash": server.access(iss=server.url),
        "another audience": server.access(aud="https://broker.example/"),
        "other audiences": server.access(aud=["https://other.example", f"{BROKER}.evil.example"]),
        "audience as an object": server.access(aud={BROKER: 1}),
        "no audience": server.access(aud=None),
        "expired": server.access(exp=int(server.clock.now()) - 11),
        "no expiry": server.access(exp=None),
        "expiry as a string": server.access(exp="9999999999"),
        "expiry true": server.access(exp=True),
        "issued tomorrow": server.access(iat=int(server.clock.now()) + 11),
        "no iat": server.access(iat=None),
        "not yet": server.access(nbf=int(server.clock.now()) + 11),
        "no sub": server.access(sub=None),
        "empty sub": server.access(sub=""),
        "no client": server.access(client_id=None),
        "no jti": server.access(jti=None),
        "scope as a list": server.access(scope=["trade:write"]),
        "details as an object": server.access(authorization_details=ORDER),
        "details without type": server.access(authorization_details=[{"qty": 1}]),
        "bound to a certificate": server.access(cnf={"x5t#S256": "abc"}),
        "bound to a key, sent as Bearer": server.access(cnf={"jkt": "abc"}),
        "an actor without a name": server.access(act={"iss": "x"}),
    }


def part_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


FORGERIES = list(forged(Hostile("http://127.0.0.1:1", HandClock())))


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_or_foreign_token_is_refused(server: Hostile, verify: Verifier, name: str) -> None:
    await bearer(verify, server.access())
    token = forged(server)[name]
    with pytest.raises(AuthenticationRequired) as refusal:
        await bearer(verify, token)
    assert refusal.value.status == 401
    assert 'error="invalid_token"' in refusal.value.to_header()
    assert token not in str(refusal.value)
    assert "/evil.json" not in server.received


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "bearer\tx"])
async def test_no_token_is_asked_for_without_an_error_code(verify: Verifier, authorization: str | None) -> None:
    with pytest.raises(AuthenticationRequired) as refusal:
        await verify(authorization, method="GET", url=URL)
    assert refusal.value.to_header() == "Bearer"


async def test_an_algorithm_that_this_api_does_not_want(server: Hostile) -> None:
    verifier = Verifier(server.issuer, BROKER, algorithms=["ES256"], clock=server.clock)
    await bearer(verifier, server.access(header={"alg": "ES256", "kid": "ec"}))
    with pytest.raises(AuthenticationRequired):
        await bearer(verifier, server.access())
    await verifier.aclose()
    for wrong in (["HS256"], ["none"], []):
        with pytest.raises(ValueError, match="algorithms"):
            Verifier(server.issuer, BROKER, algorithms=wrong)


async def test_clocks_may_differ_a_little(server: Hostile, verify: Verifier) -> None:
    now = int(server.clock.now())
    await bearer(verify, server.access(exp=now - 5, iat=now + 5, nbf=now + 5))


# Keys


async def test_a_flood_of_unknown_keys_is_not_passed_on(server: Hostile, verify: Verifier) -> None:
    await bearer(verify, server.access())
    assert len(server.received[JWKS]) == 1
    server.clock.time += 11
    flood = [bearer(verify, server.access(header={"kid": f"k{n}"}, key=RSA)) for n in range(50)]
    outcomes = await asyncio.gather(*flood, return_exceptions=True)
    assert all(isinstance(outcome, AuthenticationRequired) for outcome in outcomes)
    for n in range(5):
        with pytest.raises(AuthenticationRequired):
            await bearer(verify, server.access(header={"kid": f"late{n}"}, key=RSA))
    assert len(server.received[JWKS]) == 2
    await bearer(verify, server.access())


async def test_fifty_first_callers_fetch_the_keys_once(server: Hostile, verify: Verifier) -> None:
    await asyncio.gather(*(bearer(verify, server.access()) for _ in range(50)))
    assert len(server.received[JWKS]) == len(server.received["/.well-known/openid-configuration"]) == 1


async def test_a_new_key_is_found_and_a_withdrawn_one_dies(server: Hostile, verify: Verifier) -> None:
    await bearer(verify, server.access())
    server.published = [{**OTHER_RSA.as_dict(private=False), "kid": "next"}]
    server.clock.time += 11
    await bearer(verify, server.access(header={"kid": "next"}, key=OTHER_RSA))
    with pytest.raises(AuthenticationRequired):
        await bearer(verify, server.access())


async def test_keys_outlive_a_short_outage_and_not_a_long_one(server: Hostile, verify: Verifier) -> None:
    await bearer(verify, server.access())
    server.always[JWKS] = Response("down", 503)
    server.clock.time += 700
    await bearer(verify, server.access())
    server.clock.time += 3000
    with pytest.raises(Unavailable):
        await bearer(verify, server.access())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda jwk: {**jwk, "use": "enc"},
        lambda jwk: {**jwk, "alg": "PS256"},
        lambda jwk: {**jwk, "key_ops": ["sign"]},
        lambda jwk: {**jwk, "kty": "oct", "k": "AAAA"},
        lambda jwk: {**jwk, "d": "AQAB"},
        lambda jwk: {**jwk, "n": jwk["n"][:100]},
        lambda jwk: {**jwk, "n": 7},
        lambda jwk: "rsa",
    ],
)
async def test_a_published_key_that_is_not_for_this(server: Hostile, verify: Verifier, spoil: Any) -> None:
    server.published = [spoil(jwk) for jwk in server.published if jwk["kid"] == "rsa"]
    with pytest.raises(AuthenticationRequired):
        await bearer(verify, server.access())


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_a_weak_published_key(server: Hostile, verify: Verifier) -> None:
    weak = RSAKey.generate_key(1024)
    server.published = [{**weak.as_dict(private=False), "kid": "weak"}]
    with pytest.raises(AuthenticationRequired):
        await bearer(verify, server.access(header={"kid": "weak"}, key=weak))


async def test_another_issuer_behind_the_url(server: Hostile, verify: Verifier) -> None:
    server.metadata["issuer"] = server.url
    with pytest.raises(Misconfigured):
        await bearer(verify, server.access())


@pytest.mark.parametrize("reply", [Response("x", 200), JSONResponse({"keys": {}}), Response(status_code=302)])
async def test_no_keys_nobody_passes(server: Hostile, verify: Verifier, reply: Response) -> None:
    server.always[JWKS] = reply
    with pytest.raises(Unavailable):
        await bearer(verify, server.access())


# DPoP


@pytest.fixture
def key() -> ProofKey:
    return ProofKey.generate()


def bound(server: Hostile, key: ProofKey, **changes: Any) -> str:
    return server.access(cnf={"jkt": key.thumbprint}, **changes)


def proof(
    server: Hostile, token: str, *, key: ECKey | None = None, head: dict[str, Any] | None = None, **changes: Any
) -> tuple[str, str]:
    """A hand-made proof with its key's thumbprint."""
    signer = key or ECKey.generate_key("P-256")
    public = {k: v for k, v in signer.as_dict(private=False).items() if k != "kid"}
    ath = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
    claims = {"jti": "p1", "htm": "POST", "htu": URL, "iat": int(server.clock.now()), "ath": ath} | changes
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": public} | (head or {})
    return sign(header, {k: v for k, v in claims.items() if v is not None}, signer), signer.thumbprint()


async def test_a_bound_token_with_its_proof(server: Hostile, verify: Verifier, key: ProofKey) -> None:
    token = bound(server, key)
    made = key.proof("POST", f"{URL}?page=1#top", now=server.clock.now(), access_token=token)
    caller = await verify(f"DPoP {token}", method="POST", url="HTTPS://Broker.example:443/orders?x=2", dpop=[made])
    assert caller.sub == "auth0|ada"
    with pytest.raises(AuthenticationRequired, match="before") as replay:
        await verify(f"DPoP {token}", method="POST", url=URL, dpop=[made])
    assert replay.value.to_header() == 'DPoP error="invalid_dpop_proof", algs="RS256 PS256 ES256 EdDSA"'


PROOFS: dict[str, dict[str, Any]] = {
    "another method": {"htm": "GET"},
    "another URL": {"htu": f"{BROKER}/other"},
    "another host": {"htu": "https://evil.example/orders"},
    "another port": {"htu": "https://broker.example:8443/orders"},
    "http": {"htu": "http://broker.example/orders"},
    "no URL": {"htu": None},
    "not a URL": {"htu": "https://broker.example:x/orders"},
    "old": {"iat": 1_800_000_000 - 61},
    "from the future": {"iat": 1_800_000_000 + 61},
    "no iat": {"iat": None},
    "no jti": {"jti": None},
    "an endless jti": {"jti": "x" * 300},
    "no ath": {"ath": None},
    "another token": {"ath": "AAAA"},
    "typ JWT": {"head": {"typ": "JWT"}},
    "alg none": {"head": {"alg": "none"}},
    "no key": {"head": {"jwk": None}},
    "a symmetric key": {"head": {"jwk": {"kty": "oct", "k": "c2VjcmV0"}, "alg": "HS256"}},
}


@pytest.mark.parametrize("name", PROOFS)
async def test_a_proof_that_does_not_hold(server: Hostile, verify: Verifier, name: str) -> None:
    signer = ECKey.generate_key("P-256")
    token = server.access(cnf={"jkt": signer.thumbprint()})
    changes = dict(PROOFS[name])
    if changes.get("head", {}).get("alg") == "HS256":
        secret = OctKey.import_key({"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0"})
        made = sign({"typ": "dpop+jwt", "alg": "HS256", "jwk": secret.as_dict()}, {"jti": "x"}, secret)
    else:
        made, _ = proof(server, token, key=signer, **changes)
    with pytest.raises(AuthenticationRequired) as refusal:
        await verify(f"DPoP {token}", method="POST", url=URL, dpop=[made])
    assert refusal.value.code == "invalid_dpop_proof"


async def test_a_private_key_in_a_proof(server: Hostile, verify: Verifier) -> None:
    signer = ECKey.generate_key("P-256")
    token = server.access(cnf={"jkt": signer.thumbprint()})
    made, _ = proof(server, token, key=signer, head={"jwk": signer.as_dict(private=True)})
    with pytest.raises(AuthenticationRequired, match="private"):
        await verify(f"DPoP {token}", method="POST", url=URL, dpop=[made])


async def test_a_stolen_token_without_its_key(server: Hostile, verify: Verifier, key: ProofKey) -> None:
    token = bound(server, key)
    thief, _ = proof(server, token)
    good = key.proof("POST", URL, now=server.clock.now(), access_token=token)
    for authorization, proofs in (
        (f"DPoP {token}", [thief]),
        (f"DPoP {token}", []),
        (f"DPoP {token}", [good, good]),
        (f"Bearer {token}", [good]),
        (f"DPoP {server.access()}", [good]),
    ):
        with pytest.raises(AuthenticationRequired):
            await verify(authorization, method="POST", url=URL, dpop=proofs)


async def test_a_second_binding_that_cannot_be_checked(server: Hostile, verify: Verifier, key: ProofKey) -> None:
    token = server.access(cnf={"jkt": key.thumbprint, "x5t#S256": "abc"})
    made = key.proof("POST", URL, now=server.clock.now(), access_token=token)
    with pytest.raises(AuthenticationRequired, match="cannot be checked"):
        await verify(f"DPoP {token}", method="POST", url=URL, dpop=[made])


# Spending


async def test_exactly_what_was_approved_and_once(server: Hostile, verify: Verifier) -> None:
    caller = await bearer(verify, server.access(authorization_details=[ORDER]))
    assert await caller.spend("trade_order", **ACT) == ORDER
    again = await bearer(verify, server.access(authorization_details=[ORDER]))
    for spent in (caller, again):
        with pytest.raises(AlreadySpent):
            await spent.spend("trade_order", **ACT)


async def test_two_tokens_of_one_approval_are_one_act(server: Hostile, verify: Verifier) -> None:
    approved = {"authorization_details": [ORDER], "approval": {"id": "apr-1", "digest": "d"}}
    first = await bearer(verify, server.access(jti="a", **approved))
    second = await bearer(verify, server.access(jti="b", **approved))
    await first.spend("trade_order", **ACT)
    with pytest.raises(AlreadySpent):
        await second.spend("trade_order", **ACT)
    server.clock.time += 500  # the first is over; another was handed out after its reply was lost
    third = await bearer(verify, server.access(jti="c", **approved))
    with pytest.raises(AlreadySpent):
        await third.spend("trade_order", **ACT)


@pytest.mark.parametrize(
    ("act", "field"),
    [
        (ACT | {"qty": 1000}, "qty"),
        (ACT | {"qty": "10"}, "qty"),
        (ACT | {"qty": [10]}, "qty"),
        (ACT | {"side": "sell"}, "side"),
        (ACT | {"ticker": "ZEKO "}, "ticker"),
        (ACT | {"account": "bob"}, "account"),
        ({"side": "buy", "ticker": "ZEKO"}, "qty"),
        ({}, "qty"),
    ],
)
async def test_ten_swapped_for_a_thousand(server: Hostile, verify: Verifier, act: dict[str, Any], field: str) -> None:
    caller = await bearer(verify, server.access(authorization_details=[ORDER]))
    with pytest.raises(DetailsChanged) as refusal:
        await caller.spend("trade_order", **act)
    assert refusal.value.field == field
    await caller.spend("trade_order", **ACT)  # the refusal has not used it up


@pytest.mark.parametrize(("approved", "actual"), [(1, True), (0, False), (True, 1), (None, 0), ("", None)])
async def test_json_is_not_python(server: Hostile, verify: Verifier, approved: Any, actual: Any) -> None:
    caller = await bearer(verify, server.access(authorization_details=[{"type": "t", "v": {"deep": [approved]}}]))
    with pytest.raises(DetailsChanged):
        await caller.spend("t", v={"deep": [actual]})
    await caller.spend("t", v={"deep": [approved]})


async def test_no_approval_of_this_kind_or_for_this_place(server: Hostile, verify: Verifier) -> None:
    for details in ([], [{**ORDER, "type": "transfer"}], [{**ORDER, "locations": ["https://other.example"]}]):
        caller = await bearer(verify, server.access(authorization_details=details))
        with pytest.raises(NotAllowed):
            await caller.spend("trade_order", **ACT)
    here = await bearer(verify, server.access(authorization_details=[{**ORDER, "locations": [BROKER]}]))
    await here.spend("trade_order", **ACT)


async def test_two_equal_approvals_are_two(server: Hostile, verify: Verifier) -> None:
    caller = await bearer(verify, server.access(authorization_details=[ORDER, {**ORDER, "qty": 5}, ORDER]))
    for _ in range(2):
        await caller.spend("trade_order", **ACT)
    with pytest.raises(AlreadySpent):
        await caller.spend("trade_order", **ACT)
    await caller.spend("trade_order", **(ACT | {"qty": 5}))


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "memory":
        yield MemoryReplayStore()
        return
    kept = SQLiteReplayStore(tmp_path / "spent.db")
    yield kept
    kept.close()


async def test_of_fifty_racers_one_spends(server: Hostile, store: ReplayStore) -> None:
    verifier = Verifier(server.issuer, BROKER, store=store, clock=server.clock)
    caller = await bearer(verifier, server.access(authorization_details=[ORDER]))
    outcomes = await asyncio.gather(*(caller.spend("trade_order", **ACT) for _ in range(50)), return_exceptions=True)
    assert sum(outcome == ORDER for outcome in outcomes) == 1
    assert sum(isinstance(outcome, AlreadySpent) for outcome in outcomes) == 49
    await verifier.aclose()


async def test_a_store_forgets_only_what_is_over(store: ReplayStore) -> None:
    await store.take("a", until=100, now=0)
    with pytest.raises(Seen):
        await store.take("a", until=100, now=100)
    await store.take("a", until=200, now=140)


async def test_a_full_or_broken_store_lets_nothing_pass(tmp_path: Path) -> None:
    small = MemoryReplayStore(capacity=1)
    await small.take("a", until=100, now=0)
    with pytest.raises(Unavailable):
        await small.take("b", until=100, now=0)
    await small.take("b", until=300, now=101)
    closed = SQLiteReplayStore(tmp_path / "x.db")
    closed.close()
    with pytest.raises(Unavailable):
        await closed.take("a", until=1, now=0)


def _take_in_another_process(path: str, results: Any) -> None:
    async def take() -> None:
        kept = SQLiteReplayStore(path)
        taken = 0
        for n in range(40):
            try:
                await kept.take(f"k{n}", until=100, now=0)
                taken += 1
            except Seen:
                pass
        results.put(taken)
        kept.close()

    asyncio.run(take())


async def test_two_processes_share_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "spent.db")
    SQLiteReplayStore(path).close()
    spawn = multiprocessing.get_context("spawn")
    results = spawn.Queue()
    racers = [spawn.Process(target=_take_in_another_process, args=(path, results)) for _ in range(2)]
    for racer in racers:
        racer.start()
    taken = [await asyncio.to_thread(results.get, True, 30) for _ in racers]
    for racer in racers:
        await asyncio.to_thread(racer.join, 30)
    assert sum(taken) == 40


# Used up at the issuer

SPEND = "/approvals/spend"


@pytest.fixture
async def online(server: Hostile) -> AsyncIterator[Verifier]:
    verifier = Verifier(server.issuer, BROKER, client_id="broker-api", credential="s3cret", clock=server.clock)
    yield verifier
    await verifier.aclose()


async def test_with_credentials_the_issuer_is_asked(server: Hostile, online: Verifier) -> None:
    server.script[SPEND].append(JSONResponse({"authorization_details": [ORDER], "spent_at": 1}))
    caller = await bearer(online, server.access(authorization_details=[ORDER]))
    assert await caller.spend("trade_order", **(ACT | {"qty": 5})) == ORDER, "what is less is for the issuer to say"
    (sent,) = server.received[SPEND]
    assert json.loads(sent.form["authorization_details"]) == [{**ORDER, "qty": 5}]
    assert sent.form["token"] == caller.token.reveal()
    assert sent.headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("reply", "raised"),
    [
        (oauth_error("details_changed", status=403, field="qty"), DetailsChanged),
        (oauth_error("already_spent", status=409, spent_at=7, spent_by="broker-api"), AlreadySpent),
        (oauth_error("invalid_grant"), AuthenticationRequired),
        (oauth_error("invalid_client", status=401), Misconfigured),
        (oauth_error("too_many_requests", status=429), Unavailable),
        (Response(status_code=500), Unavailable),
        (Dropped(), Unavailable),
        (JSONResponse({}), Unavailable),
        (JSONResponse({"authorization_details": [{**ORDER, "qty": 1000}]}), Unavailable),
    ],
)
async def test_whatever_the_issuer_did_not_let_pass_is_not_done(
    server: Hostile, online: Verifier, reply: Response, raised: type[Exception]
) -> None:
    server.always[SPEND] = reply
    caller = await bearer(online, server.access(authorization_details=[ORDER]))
    with pytest.raises(raised) as refused:
        await caller.spend("trade_order", **ACT)
    if isinstance(refused.value, AlreadySpent):
        assert refused.value.to_dict() == {
            "error": "already_spent", "message": refused.value.sentence, "at": 7, "by": "broker-api"
        }  # fmt: skip


async def test_it_says_how_far_once_reaches(
    server: Hostile, verify: Verifier, online: Verifier, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert "at the issuer" in online.once
    assert "this process alone" in verify.once
    kept = SQLiteReplayStore(tmp_path / "spent.db")
    assert "this machine alone" in Verifier(server.issuer, BROKER, store=kept).once
    kept.close()
    caller = await bearer(verify, server.access(authorization_details=[ORDER, ORDER]))
    with caplog.at_level("INFO", logger="remit"):
        for _ in range(2):
            await caller.spend("trade_order", **ACT)
    assert caplog.messages == [verify.once]


@pytest.mark.parametrize("half", [{"client_id": "broker-api"}, {"credential": "s3cret"}])
def test_half_of_the_credentials_is_not_offline(server: Hostile, half: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="go together"):
        Verifier(server.issuer, BROKER, **half)


# Scopes and the door


async def test_all_missing_scopes_are_named_at_once(server: Hostile, verify: Verifier) -> None:
    caller = await bearer(verify, server.access())
    caller.requires("trade:write")
    with pytest.raises(InsufficientScope) as refusal:
        caller.requires("trade:write", "portfolio:read")
    assert refusal.value.status == 403
    assert 'scope="trade:write portfolio:read"' in refusal.value.to_header()
    assert isinstance(caller.token, Token)
    assert replace(caller, scopes=frozenset()) != caller


def broker(guard: Guard, *, closed: bool) -> Starlette:
    async def orders(request: Request) -> Response:
        caller = await guard.requires("trade:write")(request)
        await caller.spend("trade_order", **(await request.json()))
        return JSONResponse({"for": caller.sub, "by": caller.agent})

    return Starlette(
        routes=[Route("/orders", orders, methods=["POST"]), guard.metadata_route()],
        middleware=[Middleware(guard.middleware)] if closed else [],
        exception_handlers=dict(guard.exception_handlers),
    )


@pytest.mark.parametrize("closed", [False, True])
async def test_a_broker_behind_the_guard(server: Hostile, key: ProofKey, closed: bool) -> None:
    verifier = Verifier(server.issuer, BROKER, clock=server.clock)
    late: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await late[0](scope, receive, send)

    async with listening(app) as url, httpx2.AsyncClient(base_url=url) as http:
        guard = Guard(verifier, base_url=url, scopes=["trade:write"])
        late.append(broker(guard, closed=closed))

        refused = await http.post("/orders", json=ACT)
        assert refused.status_code == 401
        document = f"{url}/.well-known/oauth-protected-resource"
        assert refused.headers["www-authenticate"] == f'Bearer resource_metadata="{document}"'
        assert (await http.get(document)).json() == {
            "resource": BROKER,
            "authorization_servers": [server.issuer],
            "bearer_methods_supported": ["header"],
            "scopes_supported": ["trade:write"],
        }

        weak = Token(server.access(scope="portfolio:read"))
        refused = await http.post("/orders", json=ACT, auth=weak.auth)
        assert refused.status_code == 403
        assert 'scope="trade:write"' in refused.headers["www-authenticate"]

        grant = Token(bound(server, key, authorization_details=[ORDER]), key=key, clock=server.clock)
        swapped = await http.post("/orders", json=ACT | {"qty": 1000}, auth=grant.auth)
        assert (swapped.status_code, swapped.json()["error"]) == (403, "details_changed")
        assert (await http.post("/orders?a=1", json=ACT, auth=grant.auth)).json() == {
            "for": "auth0|ada",
            "by": "assistant",
        }
        replayed = await http.post("/orders", json=ACT, auth=grant.auth)
        assert (replayed.status_code, replayed.json()["error"]) == (403, "already_spent")
        stolen = await http.post("/orders", json=ACT, auth=Token(grant.reveal()).auth)
        assert stolen.status_code == 401
        twice = await http.post("/orders", headers=[("Authorization", "Bearer a"), ("Authorization", "Bearer b")])
        assert twice.status_code == 401
        server.clock.time += 700
        server.always[JWKS] = Response("down", 503)
        server.clock.time += 3000
        down = await http.post("/orders", json=ACT, auth=Token(server.access()).auth)
        assert down.status_code == 503
    await verifier.aclose()
