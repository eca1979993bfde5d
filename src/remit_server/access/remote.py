"""An OpenFGA server that answers for the relations: the port `Relations` over OpenFGA's HTTP API.

Everything is asked with HIGHER_CONSISTENCY, so that no cache over there answers for what has been taken back. What is not an
answer is never a yes: a question that the server refuses has a fault, and a server that does not answer is unavailable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
import structlog
from msgspec import Struct

from remit_server.config import RelationsServer
from remit_server.rules.relations import tuples
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.clock import Clock
from remit_server.runtime.outbound import Outbound, OutboundRefused, Reply
from remit_server.runtime.ports import Listed, Question, RelationsUnavailable, Verdict

log = structlog.get_logger("remit")

AT_ONCE: Final = 50
"""Questions in one request: what OpenFGA takes unless it is told otherwise."""
ASKING: Final = 4
"""Requests of one call under way at once."""
PATIENCE: Final = 5.0
"""Seconds for one answer."""
DEADLINE: Final = 3.0
"""After so many seconds OpenFGA ends a list where it is, and does not say so (its `listObjects-deadline`)."""
MOST_LISTED: Final = 1000
"""OpenFGA's `listObjects-max-results` and `listUsers-max-results`."""
LARGEST: Final = 16 * 1024 * 1024
MODEL_SECONDS: Final = 10
"""How long the newest model counts as the newest, for what only names its relations."""
CONSISTENT: Final = {"consistency": "HIGHER_CONSISTENCY"}

_INVALID_ARGUMENT: Final = 3
"""gRPC's code. OpenFGA's own codes for faults of a request begin at 2000."""
_OURS: Final = frozenset({
    "authorization_model_not_found", "latest_authorization_model_not_found", "store_id_not_found",
    "authorization_model_id_not_found", "store_id_invalid_length", "invalid_authorization_model",
})  # fmt: skip
"""Refusals of how we are set up, not of a question."""


class Refused(Exception):
    """The server says no to a request; the words are its own."""

    def __init__(self, words: str, status: int = 400) -> None:
        super().__init__(words)
        self.status = status


@dataclass
class OpenFga:
    """The wire: paths below a store, credentials, and refusals told apart."""

    server: RelationsServer
    outbound: Outbound
    clock: Clock
    _token: tuple[str, int] | None = field(default=None, init=False, repr=False)

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A JSON answer. `path` is below the store. Raises `Refused` or `RelationsUnavailable`."""
        reply = await self._sent(method, path, body)
        try:
            return reply.json() if reply.status != 204 else {}
        except OutboundRefused as error:
            raise _unavailable("the answer is not JSON") from error

    async def lines(self, path: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The `result` of each line of a streamed answer. Raises as `call`."""
        reply = await self._sent("POST", path, body)
        try:
            found = [msgspec.json.decode(line, type=dict[str, Any]) for line in reply.body.splitlines() if line]
        except (msgspec.DecodeError, RecursionError) as error:
            raise _unavailable("the answer is not lines of JSON") from error
        if errors := [line["error"] for line in found if "error" in line]:
            raise _interrupted(errors[0])
        return [line["result"] for line in found if isinstance(line.get("result"), dict)]

    async def _sent(self, method: str, path: str, body: Mapping[str, Any] | None) -> Reply:
        url = f"{self.server.url.rstrip('/')}/stores/{self.server.store}{path}"
        content = b"" if body is None else msgspec.json.encode(body)
        reply = await self._once(method, url, content, await self._credential())
        if reply.status == 401 and self.server.client_id:  # the token may have been withdrawn before its time
            self._token = None
            reply = await self._once(method, url, content, await self._credential())
        if 200 <= reply.status < 300:
            return reply
        code, words = _said(reply)
        if reply.status not in {400, 409, 422} or code in _OURS:
            raise _unavailable(f"{reply.status} {code}")
        raise Refused(words, reply.status)

    async def _once(self, method: str, url: str, content: bytes, credential: str | None) -> Reply:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if credential:
            headers["Authorization"] = f"Bearer {credential}"
        try:
            return await self.outbound.send(
                method, url, headers=headers, body=content, timeout=PATIENCE, largest=LARGEST
            )
        except OutboundRefused as error:
            raise _unavailable(error.detail) from error

    async def _credential(self) -> str | None:
        server = self.server
        if not server.token_endpoint:
            return server.token
        now = self.clock.now()
        if self._token is None or self._token[1] <= now:
            self._token = await self._granted(server.token_endpoint, now)
        return self._token[0]

    async def _granted(self, endpoint: str, now: int) -> tuple[str, int]:
        """An access token by client credentials (RFC 6749 section 4.4), and until when it is used."""
        server = self.server
        form = {
            "grant_type": "client_credentials",
            "client_id": server.client_id,
            "client_secret": server.client_secret,
        }
        if server.audience:
            form["audience"] = server.audience
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        try:
            reply = await self.outbound.send(
                "POST", endpoint, headers=headers, body=urlencode(form).encode(), timeout=PATIENCE
            )
            said = reply.json() if reply.status == 200 else {}
        except OutboundRefused as error:
            raise _unavailable(f"its token endpoint: {error.detail}") from error
        token, lifetime = said.get("access_token"), said.get("expires_in", 300)
        if not isinstance(token, str) or not token or type(lifetime) is not int:
            raise _unavailable(f"its token endpoint answered {reply.status} without a token")
        return token, now + max(0, lifetime - 30)


class RemoteRelations:
    """The port `runtime.ports.Relations`."""

    def __init__(self, server: RelationsServer, outbound: Outbound, clock: Clock) -> None:
        self._fga, self._model, self._clock = OpenFga(server, outbound, clock), server.model, clock
        self._types: tuple[dict[str, tuple[str, ...]], int] | None = None

    async def can(self, questions: Sequence[Question]) -> list[Verdict]:
        faults = [_fault(question) for question in questions]
        sound = [question for question, fault in zip(questions, faults, strict=True) if fault is None]
        chunks = [sound[start : start + AT_ONCE] for start in range(0, len(sound), AT_ONCE)]
        slots = asyncio.Semaphore(ASKING)

        async def ask(chunk: Sequence[Question]) -> list[Verdict]:
            async with slots:
                return await self._chunk(chunk)

        answered = iter([one for verdicts in await asyncio.gather(*map(ask, chunks)) for one in verdicts])
        return [next(answered) if fault is None else Verdict(False, fault) for fault in faults]

    async def _chunk(self, questions: Sequence[Question]) -> list[Verdict]:
        checks = [{**_check(question), "correlation_id": str(i)} for i, question in enumerate(questions)]
        try:
            said = (await self._fga.call("POST", "/batch-check", self._asking({"checks": checks}))).get("result")
        except Refused as refused:  # of the whole request, for what may be the fault of a single question
            if len(questions) == 1:
                return [Verdict(False, str(refused))]
            half = len(questions) // 2
            return [*await self._chunk(questions[:half]), *await self._chunk(questions[half:])]
        results = said if isinstance(said, dict) else {}
        return [_verdict(results.get(str(i))) for i in range(len(questions))]

    async def objects(
        self, subject: str, relation: str, type_: str, context: Mapping[str, Any],
        contextual: tuple[RelationTuple, ...] = (),
    ) -> Listed:  # fmt: skip
        if fault := tuples.malformed(RelationTuple(f"{type_}:1", relation, subject)):
            return Listed(fault=fault)
        asked = {"type": type_, "relation": relation, "user": subject, "context": context, **_brought(contextual)}
        began = asyncio.get_running_loop().time()
        try:
            found = await self._fga.lines("/streamed-list-objects", self._asking(asked))
        except Refused as refused:
            return Listed(fault=str(refused))
        ids = {one["object"] for one in found if isinstance(one.get("object"), str)}
        return Listed(tuple(sorted(ids)), complete=_in_time(began))

    async def subjects(self, object_: str, relation: str, type_: str, context: Mapping[str, Any]) -> Listed:
        if fault := tuples.malformed(RelationTuple(object_, relation, f"{type_}:1")):
            return Listed(fault=fault)
        kind, _, id_ = object_.partition(":")
        asked = {
            "object": {"type": kind, "id": id_}, "relation": relation,
            "user_filters": [{"type": type_}], "context": context,
        }  # fmt: skip
        began = asyncio.get_running_loop().time()
        try:
            found = (await self._fga.call("POST", "/list-users", self._asking(asked))).get("users")
        except Refused as refused:
            return Listed(fault=str(refused))
        if not isinstance(found, list):
            raise _unavailable("the answer lists no users")
        ids = set(_subjects(found))
        return Listed(tuple(sorted(ids)), complete=len(ids) < MOST_LISTED and _in_time(began))

    async def relations_of(self, type_: str, *, beside: str | None = None) -> tuple[str, ...]:
        del beside  # there is one model
        now = self._clock.now()
        if self._types is None or self._types[1] <= now:
            self._types = await self._read_types(), now + MODEL_SECONDS
        return self._types[0].get(type_, ())

    async def _read_types(self) -> dict[str, tuple[str, ...]]:
        try:
            if self._model:
                found = (await self._fga.call("GET", f"/authorization-models/{quote(self._model)}")).get(
                    "authorization_model"
                )
            else:
                models = (await self._fga.call("GET", "/authorization-models?page_size=1")).get("authorization_models")
                found = models[0] if isinstance(models, list) and models else None
        except Refused as refused:
            raise _unavailable(str(refused)) from refused
        if found is None:
            raise _unavailable("the store has no authorization model")
        try:
            types = msgspec.convert(found, _Model).type_definitions
        except msgspec.ValidationError as error:
            raise _unavailable(f"its authorization model: {error}") from error
        return {one.type: tuple(one.relations or ()) for one in types}

    def _asking(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {**body, **CONSISTENT, **({"authorization_model_id": self._model} if self._model else {})}


class _Type(Struct):
    type: str
    relations: dict[str, Any] | None = None


class _Model(Struct):
    """What is read of a model."""

    type_definitions: list[_Type]


def tuple_json(tuple_: RelationTuple) -> dict[str, Any]:
    """A tuple as OpenFGA's API writes it."""
    written: dict[str, Any] = {"user": tuple_.subject, "relation": tuple_.relation, "object": tuple_.object}
    if tuple_.condition:
        written["condition"] = {"name": tuple_.condition, "context": msgspec.json.decode(tuple_.context or "{}")}
    return written


def _check(question: Question) -> dict[str, Any]:
    key = {"user": question.subject, "relation": question.relation, "object": question.object}
    return {"tuple_key": key, "context": question.context, **_brought(question.contextual)}


def _brought(contextual: Sequence[RelationTuple]) -> dict[str, Any]:
    return {"contextual_tuples": {"tuple_keys": [tuple_json(one) for one in contextual]}} if contextual else {}


def _fault(question: Question) -> str | None:
    """What is wrong with the form of a question: one such would have all of its request refused."""
    asked = RelationTuple(question.object, question.relation, question.subject)
    return next((fault for one in (asked, *question.contextual) if (fault := tuples.malformed(one))), None)


def _verdict(said: Any) -> Verdict:
    if isinstance(said, dict) and said.get("allowed") is True and "error" not in said:
        return Verdict(True)
    error = said.get("error") if isinstance(said, dict) else {"message": "The server left this question out."}
    if not isinstance(error, dict):
        return Verdict(False)
    if "internal_error" in error:  # its own trouble, which may be over soon
        raise _unavailable(str(error["internal_error"]))
    return Verdict(False, str(error.get("message") or "The server cannot answer this."))


def _subjects(found: Sequence[Any]) -> Iterator[str]:
    for one in found:
        match one:
            case {"object": {"type": str(type_), "id": str(id_)}}:
                yield f"{type_}:{id_}"
            case {"wildcard": {"type": str(type_)}}:
                yield f"{type_}:*"


def _in_time(began: float) -> bool:
    return asyncio.get_running_loop().time() - began < DEADLINE


def _said(reply: Reply) -> tuple[str, str]:
    """The code and the words of a refusal, as far as they are there."""
    try:
        said = reply.json()
    except OutboundRefused:
        return "", "The relations server refuses this."
    return str(said.get("code", "")), str(said.get("message") or "The relations server refuses this.")[:300]


def _interrupted(error: Any) -> Exception:
    """What ended a stream: the fault of the question, or the server's own trouble, which may be over soon."""
    code, words = (error.get("code"), str(error.get("message"))[:300]) if isinstance(error, dict) else (None, "")
    asked = type(code) is int and (code == _INVALID_ARGUMENT or 2000 <= code < 3000)
    return Refused(words) if asked else _unavailable(f"a stream ended with {code}: {words}")


def _unavailable(detail: str | None) -> RelationsUnavailable:
    detail = detail and detail[:500]  # the server may have said what it likes
    log.warning("relations server", fault=detail)
    return RelationsUnavailable(detail=f"the relations server: {detail}")
