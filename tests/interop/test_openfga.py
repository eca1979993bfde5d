"""Clients made for OpenFGA, unmodified, over TLS: openfga-sdk for Python (two versions, asynchronous and not) and for Node.js,
and what Auth0 builds on them for agents."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import RSAKey
from tests.fixtures.house import SECRET
from tests.fixtures.openfga import access_of, registered, speaking
from tests.interop.live import Live, Trust, live
from tests.interop.play import play_node, play_python
from tests.ledger import proves

from remit_server.rules.relations.model import parse

pytestmark = proves("interop.openfga")

MODEL = parse("""
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type doc
  relations
    define viewer: [user, group#member, user with in_hours]
    define reader: viewer
condition in_hours(hour: int, until: int) {
  hour < until
}
""")
EXPECTED = {
    "stores": ["handbook"], "store": "handbook", "models": [True, True, 1], "types": ["user", "group", "doc"],
    "condition": "hour < until", "write": [True] * 4, "again": [400, "write_failed_due_to_invalid_input"],
    "undefined": [400, "validation_error"], "loose": [[False, True, True], [False]], "delete": [True],
    "read": ["user:ann viewer doc:1"], "check": [True, False, True], "conditions": [True, False],
    "changes": [
        "WRITE user:ann doc:1", "WRITE group:staff#member doc:2", "WRITE user:cy doc:3", "WRITE user:dan doc:4",
        "WRITE user:dan doc:5", "DELETE user:dan doc:4",
    ],
    "pages": [2, 3, ""], "batch": [120, ["1"]], "objects": ["doc:2"], "streamed": ["doc:2"], "users": ["user:bob"],
    "relations": ["reader", "viewer"], "expand": ["doc:2#viewer", ["group:staff#member"]],
    "assertions": [["user:ann", True]], "gone": [404, "store_id_not_found"],
}  # fmt: skip


@pytest.fixture(scope="module")
async def server(trust: Trust, tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with live(tmp_path_factory.mktemp("openfga"), trust) as server:
        await registered(server.house)
        yield server


def given(server: Live) -> dict[str, Any]:
    return {"audience": access_of(server.house), "secret": SECRET, "model": MODEL}


@pytest.mark.parametrize("sync", [False, True], ids=["asynchronous", "synchronous"])
@pytest.mark.parametrize(("packages", "version"), [("python-agents", "0.9.9"), ("python-clients", "0.10.5")])
async def test_python(server: Live, packages: str, version: str, sync: bool) -> None:
    said = await play_python(server, "openfga_everything", packages=packages, sync=sync, **given(server))
    assert said == EXPECTED | {
        "version": version, "no model": None, "no more": [],
        "client batch": [[True, None], [False, "validation_error"]],
        "batch errors": {"lacks-the-hour": [False, "validation_error"], "no-such-relation": [False, "validation_error"]},
    }  # fmt: skip


@pytest.mark.parametrize("how", ["a secret", "a key of its own"])
async def test_node(server: Live, how: str) -> None:
    more: dict[str, Any] = {}
    if how != "a secret":
        own = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"})
        jwks = {"keys": [own.as_dict(private=False)]}
        await registered(server.house, "keyed", secrets=(), auth_methods=("private_key_jwt",), jwks=jwks)
        private = own.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        more = {"client": "keyed", "key": private.decode()}
    said = await play_node(server, "openfga", **given(server), **more)
    assert said == EXPECTED | {
        "noModel": None, "noMore": [], "clientBatch": [[None, "validation_error"], [True, None]],
        "batchErrors": {"lacks-the-hour": [False, "validation_error"], "no-such-relation": [False, "validation_error"]},
    }  # fmt: skip


DOCUMENTS = 120
SEEN = {"ann": [1, 5, 119], "bob": [0]}


@pytest.fixture(scope="module")
async def environment(server: Live) -> dict[str, str]:
    """What Auth0's toolkits for agents read, of a store in which two people see different documents."""
    fga = await speaking(server.house)
    async with fga.http:
        await fga.begin("auth0")
        status, said = await fga.call("POST", "authorization-models", MODEL)
        assert status == 201, said
        await fga.write(*(f"user:{user} viewer doc:{n}" for user, seen in SEEN.items() for n in seen))
    return {
        "FGA_API_URL": server.issuer.rstrip("/"), "FGA_STORE_ID": fga.store, "FGA_CLIENT_ID": "fga",
        "FGA_CLIENT_SECRET": SECRET, "FGA_API_TOKEN_ISSUER": server.issuer, "FGA_API_AUDIENCE": access_of(server.house),
    }  # fmt: skip


async def test_auth0_ai_langchain(server: Live, environment: dict[str, str]) -> None:
    asked = {"environment": environment, "users": list(SEEN), "documents": DOCUMENTS}
    before = len(server.calls)
    said = await play_python(server, "ai_langchain_fga", packages="python-agents", **asked)
    assert said == {
        "retrieved": SEEN, "authorized": {"ann": True, "bob": False}, "tool": {"ann": "opened 1", "bob": "refused"},
    }  # fmt: skip
    batches = [call for call in server.calls[before:] if call.endswith("/batch-check")]
    assert len(batches) == 3 * len(SEEN)  # of 50, 50 and 20


async def test_auth0_ai(server: Live, environment: dict[str, str]) -> None:
    host = server.issuer.removeprefix("https://").rstrip("/")  # its @openfga/sdk 0.8 puts https:// before it by itself
    of = {**environment, "FGA_API_TOKEN_ISSUER": host}
    said = await play_node(server, "auth0_ai_fga", environment=of, users=list(SEEN), documents=DOCUMENTS)
    assert said == {"filtered": SEEN, "tool": {"ann": "opened 1", "bob": "refused"}}
