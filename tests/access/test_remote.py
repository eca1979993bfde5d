"""An OpenFGA server that is down, slow, odd or hostile: never a yes. And how we prove ourselves to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest
from tests.fixtures.house import Clock, House, built
from tests.fixtures.openfga_server import OpenFgaServer
from tests.fixtures.relations import tuple_
from tests.ledger import proves

from remit_server.access import remote
from remit_server.access.remote import RemoteRelations
from remit_server.config import RelationsServer, Settings
from remit_server.errors import ConfigurationError
from remit_server.records import Organisation
from remit_server.records.organisation import Need
from remit_server.runtime.outbound import Outbound, OutboundRefused, Reply, TooSlow
from remit_server.runtime.ports import Question, RelationsUnavailable, Verdict

STORE = "01JACCESS00000000000000001"
ASKED = Question(subject="user:ada", relation="viewer", object="document:1")
Answer = Reply | OutboundRefused | Callable[[str, Any], Reply]


def reply(status: int, body: Any = None, raw: bytes | None = None) -> Reply:
    return Reply(status, {}, msgspec.json.encode(body) if raw is None else raw)


class Wire:
    """In the place of `Outbound`: plays one answer after the other, the last one for ever, and keeps what was sent."""

    def __init__(self, *answers: Answer) -> None:
        self.answers, self.sent = list(answers), list[tuple[str, str, Mapping[str, str], Any]]()

    async def send(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes = b"", **_: Any) -> Reply:
        form = headers["Content-Type"] == "application/x-www-form-urlencoded"
        said = dict(parse_qsl(body.decode())) if form else msgspec.json.decode(body) if body else None
        self.sent.append((method, url, headers, said))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OutboundRefused):
            raise answer
        return answer if isinstance(answer, Reply) else answer(url, said)


def over(*answers: Answer, **server: Any) -> tuple[RemoteRelations, Wire, Clock]:
    wire, clock = Wire(*answers), Clock()
    settings = RelationsServer(url="https://fga.example/", store=STORE, **server)
    return RemoteRelations(settings, wire, clock), wire, clock  # type: ignore[arg-type]


YES = {"result": {"0": {"allowed": True}}}
NOT_THERE: list[Answer] = [
    OutboundRefused(detail="ConnectError"),
    TooSlow(detail="ReadTimeout"),
    reply(500, {"code": "internal_error", "message": "?"}),
    reply(503),
    reply(429, {"code": "rate_limit_exceeded"}),
    reply(401, {"code": "bearer_token_missing"}),
    reply(403, {}),
    reply(302, YES),
    reply(404, {"code": "store_id_not_found"}),
    reply(400, {"code": "latest_authorization_model_not_found"}),
    reply(200, raw=b"<html>"),
    reply(200, [YES]),
    reply(200, raw=b'{"a":' * 100_000),
    reply(500, {"code": "x" * 100_000}),
]


@proves("access.remote-down")
@pytest.mark.parametrize("answer", NOT_THERE)
async def test_a_server_that_does_not_answer_is_no_yes_and_no_no(answer: Answer) -> None:
    for ask in (
        lambda r: r.can([ASKED]),
        lambda r: r.objects("user:ada", "viewer", "document", {}),
        lambda r: r.subjects("document:1", "viewer", "user", {}),
        lambda r: r.relations_of("document"),
    ):
        relations, _, _ = over(answer)
        with pytest.raises(RelationsUnavailable) as raised:
            await ask(relations)
        assert raised.value.status == 503
        assert "fga.example" not in raised.value.text
        assert len(raised.value.detail or "") < 1000


@proves("access.remote-down")
@pytest.mark.parametrize(
    "said",
    [
        {},
        {"result": None},
        {"result": []},
        {"result": {}},
        {"result": {"1": {"allowed": True}}},
        {"result": {"0": None}},
        {"result": {"0": {"allowed": "true"}}},
        {"result": {"0": {"allowed": 1}}},
        {"result": {"0": {"allowed": True, "error": {"message": "half"}}}},
        {"result": {"0": {"error": {"input_error": "validation_error", "message": "no"}}}},
    ],
)
async def test_nothing_but_true_is_a_yes(said: Any) -> None:
    relations, _, _ = over(reply(200, said))
    [verdict] = await relations.can([ASKED])
    assert not verdict.allowed


@pytest.mark.parametrize(
    "model", [1, "m", [], {}, {"type_definitions": None}, {"type_definitions": [{}]}, {"type_definitions": [{"type": 1}]},
              {"type_definitions": [{"type": "document", "relations": ["viewer"]}]}],
)  # fmt: skip
async def test_a_model_that_is_none_defines_nothing(model: Any) -> None:
    for said in ({"authorization_models": [model]}, {"authorization_model": model}):
        relations, _, _ = over(reply(200, said), model=None if "authorization_models" in said else STORE)
        with pytest.raises(RelationsUnavailable):
            await relations.relations_of("document")


async def test_trouble_of_its_own_is_no_no() -> None:
    relations, _, _ = over(reply(200, {"result": {"0": {"error": {"internal_error": "deadline_exceeded"}}}}))
    with pytest.raises(RelationsUnavailable):
        await relations.can([ASKED])


async def test_one_question_that_is_refused_does_not_take_the_others_with_it() -> None:
    def answer(_: str, body: Any) -> Reply:
        objects = [check["tuple_key"]["object"] for check in body["checks"]]
        if "document:bad" in objects:
            return reply(400, {"code": "validation_error", "message": "bad"})
        return reply(200, {"result": {check["correlation_id"]: {"allowed": True} for check in body["checks"]}})

    relations, wire, _ = over(answer)
    asked = [Question(subject="user:ada", relation="viewer", object=f"document:{i}") for i in range(60)]
    asked[7] = Question(subject="user:ada", relation="viewer", object="document:bad")
    assert await relations.can(asked) == [Verdict(i != 7, "bad" if i == 7 else "") for i in range(60)]
    assert max(len(body["checks"]) for _, _, _, body in wire.sent) == remote.AT_ONCE
    assert len(wire.sent) < 20


async def test_what_is_no_question_is_not_sent() -> None:
    """It would have the whole request refused, and the others asked again."""
    relations, wire, _ = over(reply(200, YES))
    odd = Question(subject="user:ada", relation="viewer", object="no object")
    brings = Question(subject="user:ada", relation="viewer", object="document:1", contextual=(tuple_("a b c"),))
    verdicts = await relations.can([odd, ASKED, brings])
    assert [(verdict.allowed, bool(verdict.fault)) for verdict in verdicts] == [
        (False, True),
        (True, False),
        (False, True),
    ]
    assert len(wire.sent) == 1


async def test_every_question_is_asked_of_what_is_so_now() -> None:
    model = "01JACCESS00000000000000002"
    relations, wire, _ = over(reply(200, YES), model=model)
    await relations.can([ASKED])
    [(method, url, _, body)] = wire.sent
    assert (method, url) == ("POST", f"https://fga.example/stores/{STORE}/batch-check")
    assert (body["consistency"], body["authorization_model_id"]) == ("HIGHER_CONSISTENCY", model)


async def test_a_token_is_sent_and_never_shown() -> None:
    relations, wire, _ = over(reply(200, YES), token="a secret")
    await relations.can([ASKED])
    assert wire.sent[0][2]["Authorization"] == "Bearer a secret"


async def test_client_credentials() -> None:
    endpoint = "https://login.example/oauth/token"

    def answer(url: str, body: Any) -> Reply:
        if url != endpoint:
            return reply(401, {}) if refuse else reply(200, YES)
        tokens.append(body)
        return reply(200, {"access_token": f"t{len(tokens)}", "expires_in": 600})

    tokens: list[Any] = []
    refuse = False
    more = {"token_endpoint": endpoint, "client_id": "us", "client_secret": "hush", "audience": "https://fga.example/"}
    relations, wire, clock = over(answer, **more)
    await relations.can([ASKED])
    await relations.can([ASKED])
    assert tokens == [{
        "grant_type": "client_credentials", "client_id": "us", "client_secret": "hush", "audience": "https://fga.example/",
    }]  # fmt: skip
    clock.forward(600)
    await relations.can([ASKED])
    assert wire.sent[-1][2]["Authorization"] == "Bearer t2"
    refuse = True  # one that is refused is got anew, once
    with pytest.raises(RelationsUnavailable):
        await relations.can([ASKED])
    assert len(tokens) == 3


@pytest.mark.parametrize(
    "answer", [reply(400, {"error": "invalid_client"}), reply(200, {"expires_in": 5}), reply(200, raw=b"?")]
)
async def test_no_token_no_question(answer: Reply) -> None:
    more = {"token_endpoint": "https://login.example/t", "client_id": "us", "client_secret": "hush"}
    relations, wire, _ = over(answer, **more)
    with pytest.raises(RelationsUnavailable):
        await relations.can([ASKED])
    assert len(wire.sent) == 1


async def test_a_list_that_a_limit_may_have_cut_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    users = [{"object": {"type": "user", "id": str(i)}} for i in range(remote.MOST_LISTED)]
    relations, _, _ = over(reply(200, {"users": users}))
    assert not (await relations.subjects("document:1", "viewer", "user", {})).complete
    line = msgspec.json.encode({"result": {"object": "document:1"}}) + b"\n"
    relations, _, _ = over(reply(200, raw=line))
    assert (await relations.objects("user:ada", "viewer", "document", {})).complete
    monkeypatch.setattr(remote, "DEADLINE", 0.0)
    late = await relations.objects("user:ada", "viewer", "document", {})
    assert (late.ids, late.complete) == (("document:1",), False)


async def test_an_error_in_the_middle_of_a_list_is_no_list() -> None:
    lines = b'{"result":{"object":"document:1"}}\n{"error":{"code":2000,"message":"cut"}}\n'
    relations, _, _ = over(reply(200, raw=lines))
    found = await relations.objects("user:ada", "viewer", "document", {})
    assert (found.ids, found.fault) == ((), "cut")


@proves("access.remote-down")
@pytest.mark.parametrize("error", [{"code": 13, "message": "?"}, {"code": 4000}, {"code": "3"}, {}, None, "broken"])
async def test_a_list_that_the_server_could_not_end_is_no_answer(error: Any) -> None:
    lines = b'{"result":{"object":"document:1"}}\n' + msgspec.json.encode({"error": error})
    relations, _, _ = over(reply(200, raw=lines))
    with pytest.raises(RelationsUnavailable):
        await relations.objects("user:ada", "viewer", "document", {})


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "fga.example"},
        {"url": "ftp://fga.example"},
        {"url": "https://fga.example?x"},
        {"url": "https://us:hush@fga.example"},
        {"store": "documents"},
        {"model": "newest"},
        {"client_id": "us"},
        {"client_id": "us", "client_secret": "hush"},
        {"token": "t", "token_endpoint": "https://l.example/t", "client_id": "us", "client_secret": "hush"},
    ],
)
def test_half_a_setting_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        RelationsServer(**{"url": "https://fga.example", "store": STORE, **wrong})


async def test_the_guarded_client_goes_there(openfga_server: OpenFgaServer) -> None:
    """A server that is not on loopback itself does not reach one that is."""
    public = Outbound(Settings(issuer="https://remit.example/"), Clock())
    relations = RemoteRelations(openfga_server.settings(STORE), public, Clock())
    with pytest.raises(RelationsUnavailable):
        await relations.can([ASKED])
    await public.close()


@proves("access.remote-down")
async def test_nothing_is_minted_while_nobody_answers(new_database: Callable[[str], str]) -> None:
    need = Need(relation="can_use", object="api:notes", api="https://notes.example")
    down = RelationsServer(url="http://127.0.0.1:1", store=STORE)
    organisation = Organisation(needs=(need,))
    async with built(new_database("sqlite"), organisation, relations_server=down) as house:
        status, said = await _token(house)
        assert (status, said["error"]) == (503, "temporarily_unavailable")
        assert await house.events("token.issued") == []


async def _token(house: House) -> tuple[int, Any]:
    form = {"grant_type": "client_credentials", "audience": "https://notes.example", **house.proof("service")}
    answer = await house.http.post("/oauth/token", data=form)
    return answer.status_code, answer.json()
