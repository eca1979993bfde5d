"""The token endpoint as other people's SDKs speak it: every grant, in every encoding, by every client authentication.

Each fact below was seen to break a published client when it did not hold.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from msgspec.structs import replace
from tests.fixtures import asking
from tests.fixtures.house import BROKER, SECRET, House, built, request_of, sqlite
from tests.fixtures.keys import asserted, assertion, new_key, public
from tests.ledger import proves

from remit_server.approvals.answer import Answer, Authentication, answer, claim
from remit_server.rules import user_code

pytestmark = proves("interop.token-endpoint")

Body = dict[str, str]
Prepared = Callable[[House, str], Awaitable[Body]]
KEY = new_key()


@pytest.fixture(scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house whose `agent` may prove itself in every way that needs something to keep; one for all, nothing here rubs."""
    async with built(sqlite(tmp_path_factory.mktemp("office"))) as house:
        clients = house.store.clients
        agent = await clients.get("agent")
        assert agent
        able = replace(
            agent, auth_methods=(*agent.auth_methods, "private_key_jwt"), jwks={"keys": [public(KEY)]},
            default_scope="openid profile offline_access",
        )  # fmt: skip
        await house.store.commit(clients.put(able), wakes=(clients.wake("agent"),))
        yield house


# What each grant sends besides who is asking.


async def by_code(house: House, client: str) -> Body:
    code = await house.code_for(client, scope="openid offline_access", audience=BROKER)
    return {
        "grant_type": "authorization_code", "code": code.value, "redirect_uri": code.redirect_uri,
        "code_verifier": code.verifier,
    }  # fmt: skip


async def by_refresh_token(house: House, client: str) -> Body:
    tokens = await house.tokens_for(client, scope="openid offline_access", audience=BROKER)
    return {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}


async def by_itself(house: House, client: str) -> Body:
    return {"grant_type": "client_credentials", "audience": BROKER}


async def by_device(house: House, client: str) -> Body:
    started = (await house.http.post("/oauth/device/code", data={"scope": "openid", **house.proof(client)})).json()
    typed = house.machines.peppers.mac("user code", user_code.normalised(started["user_code"]) or "")
    approval, ada = await house.store.approvals.by_user_code(typed), await house.store.users.get("auth0|ada")
    assert approval and ada
    claimed = await claim(house.machines, approval, ada)
    said = Answer(outcome="approved", version=claimed.version, digest=claimed.digest)
    await answer(house.machines, claimed, ada, said, Authentication())
    return {"grant_type": asking.DEVICE, "device_code": started["device_code"]}


async def by_approval(house: House, client: str) -> Body:
    request = await asking.asked(house, client=client)
    app = await asking.own_app(house)
    for approval in await asking.waiting(house, app):
        await asking.answer(house, app, approval)
    return {"grant_type": asking.CIBA, "auth_req_id": request["auth_req_id"]}


GRANTS: dict[str, Prepared] = {
    "authorization_code": by_code, "refresh_token": by_refresh_token, "client_credentials": by_itself,
    "device_code": by_device, "ciba": by_approval,
}  # fmt: skip

# How a body is written.


def form(body: Body) -> tuple[str, bytes]:
    return "application/x-www-form-urlencoded", urlencode(body).encode()


def form_with_charset(body: Body) -> tuple[str, bytes]:
    return "application/x-www-form-urlencoded;charset=UTF-8", urlencode(body).encode()


def as_json(body: Body) -> tuple[str, bytes]:
    """With the nulls of an SDK whose options were not given."""
    absent = dict.fromkeys(("organization", "redirect_uri", "connection", "audience", "scope"))
    return "application/json", json.dumps({**absent, **body}).encode()


ENCODINGS = {"form": form, "form with charset": form_with_charset, "JSON": as_json}

# How the client proves itself: what goes into the body, and what into the headers.


def basic(house: House, client: str) -> tuple[Body, Body]:
    return {}, {"Authorization": "Basic " + b64encode(f"{client}:{SECRET}".encode()).decode()}


def basic_and_client_id(house: House, client: str) -> tuple[Body, Body]:
    return {"client_id": client}, basic(house, client)[1]


def post(house: House, client: str) -> tuple[Body, Body]:
    return {"client_id": client, "client_secret": SECRET}, {}


def private_key_jwt(house: House, client: str) -> tuple[Body, Body]:
    return asserted(assertion(house, KEY, client)), {}


def private_key_jwt_and_no_secret(house: House, client: str) -> tuple[Body, Body]:
    """What auth0-python 4 makes of a secret that it does not have."""
    return {"client_id": client, "client_secret": "None", **private_key_jwt(house, client)[0]}, {}


def nothing(house: House, client: str) -> tuple[Body, Body]:
    return {"client_id": client}, {}


PROOFS = {
    "basic": basic, "basic and client_id": basic_and_client_id, "post": post, "private_key_jwt": private_key_jwt,
    "private_key_jwt and None": private_key_jwt_and_no_secret, "none": nothing,
}  # fmt: skip
CELLS = [
    (grant, encoding, proof)
    for grant in GRANTS
    for encoding in ENCODINGS
    for proof in PROOFS
    if proof != "none" or grant in {"authorization_code", "refresh_token", "device_code"}
]


async def send(house: House, body: Body, *, encoding: str = "form", headers: Body | None = None) -> httpx2.Response:
    kind, content = ENCODINGS[encoding](body)
    return await house.http.post("/oauth/token", content=content, headers={"Content-Type": kind, **(headers or {})})


def well_formed(answer: httpx2.Response) -> dict[str, Any]:
    """A token response that no SDK stumbles over."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    assert None not in body.values(), "openid-client refuses a null refresh_token or id_token"
    assert body["token_type"] == "Bearer"
    assert type(body["expires_in"]) is int, "auth0-ai indexes it"
    assert type(body["scope"]) is str, "auth0-server-python splits it later"
    return body


def refused(answer: httpx2.Response, status: int, code: str) -> None:
    """An error whose code no SDK loses."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json", "auth0-server-python compares for equality"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["error"] == code
    assert type(answer.json()["error_description"]) is str
    if code != "invalid_client" or "authorization" not in answer.request.headers:
        assert "www-authenticate" not in answer.headers, "openid-client would look no further for the code"


@pytest.mark.parametrize(("grant", "encoding", "proof"), CELLS, ids=lambda each: each.replace(" ", "-"))
async def test_every_grant_in_every_encoding_by_every_proof(
    office: House, grant: str, encoding: str, proof: str
) -> None:
    client = "public" if proof == "none" else "agent"
    body = await GRANTS[grant](office, client)
    known, headers = PROOFS[proof](office, client)
    tokens = well_formed(await send(office, body | known, encoding=encoding, headers=headers))
    assert ("id_token" in tokens) == (grant != "client_credentials")
    assert ("refresh_token" in tokens) == (grant in {"authorization_code", "refresh_token"})


@pytest.mark.parametrize("grant", GRANTS)
@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_errors_keep_their_code(office: House, grant: str, encoding: str) -> None:
    body = {
        name: value if name == "grant_type" else "https://wrong.example"
        for name, value in (await GRANTS[grant](office, "agent")).items()
    }
    known, _ = post(office, "agent")
    code = "invalid_target" if grant == "client_credentials" else "invalid_grant"
    refused(await send(office, body | known, encoding=encoding), 400, code)


async def test_only_a_client_that_tried_basic_is_told_the_scheme(office: House) -> None:
    body = {"grant_type": "client_credentials"}
    for known in (
        {"client_id": "agent", "client_secret": "wrong"},
        {"client_id": "nobody", "client_secret": "wrong"},
        {},
    ):
        refused(await send(office, body | known), 401, "invalid_client")
    tried = await send(office, body, headers={"Authorization": "Basic " + b64encode(b"agent:wrong").decode()})
    refused(tried, 401, "invalid_client")
    assert tried.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize("secret", ["None", ""])
async def test_the_text_none_is_no_secret_of_its_own(office: House, secret: str) -> None:
    """It stands for an absent one only where an assertion proves the client."""
    refused(
        await send(office, await by_itself(office, "agent") | {"client_id": "agent", "client_secret": secret}),
        401,
        "invalid_client",
    )


async def test_proofs_do_not_add_up(office: House) -> None:
    body = await by_itself(office, "agent")
    in_body, _ = post(office, "agent")
    _, in_header = basic(office, "agent")
    refused(await send(office, body | in_body, headers=in_header), 400, "invalid_request")
    refused(await send(office, body | in_body | asserted(assertion(office, KEY, "agent"))), 400, "invalid_request")
    refused(await send(office, body | {"client_id": "service"}, headers=in_header), 400, "invalid_request")


@pytest.mark.parametrize("audience", ["", "None"])
async def test_an_audience_that_an_sdk_does_not_have_is_absent(office: House, audience: str) -> None:
    known, _ = post(office, "agent")
    well_formed(await send(office, await by_refresh_token(office, "agent") | known | {"audience": audience}))
    asked = await asking.asked(office, audience=audience, scope="openid", authorization_details=None)
    assert {"auth_req_id", "expires_in", "interval"} <= asked.keys(), "auth0-ai indexes all three"


async def test_irrelevant_scopes_narrow_and_never_fail(office: House) -> None:
    """auth0-server-python sends its login's scopes with every refresh, whatever the audience."""
    me = office.issuer + "me/"
    wanted = {"audience": me, "scope": "openid profile email offline_access create:me:connected_accounts nothing:known"}
    tokens = well_formed(
        await send(office, await by_refresh_token(office, "agent") | post(office, "agent")[0] | wanted)
    )
    assert set(tokens["scope"].split()) == {"openid", "offline_access", "create:me:connected_accounts"}
    assert "id_token" in tokens


async def test_unknown_members_and_telemetry_are_ignored(office: House) -> None:
    body = await by_itself(office, "agent") | post(office, "agent")[0] | {"organization": "org_1", "device": "tv"}
    well_formed(await send(office, body, headers={"Auth0-Client": b64encode(b'{"name":"auth0-python"}').decode()}))


@pytest.mark.parametrize("quirk", [{"client_secret": "None"}, {"scope": ""}])
async def test_pushed_requests_have_the_same_quirks(office: House, quirk: Body) -> None:
    request = {**request_of("agent", scope=None), **asserted(assertion(office, KEY, "agent")), **quirk}
    answer = await office.http.post("/oauth/par", data=request)
    assert answer.status_code == 201, answer.text
    assert type(answer.json()["expires_in"]) is int


async def test_a_loopback_issuer_is_known_by_its_host(office: House) -> None:
    """Some SDKs write https:// whatever the issuer: a development server must not be out of their reach."""
    assert office.issuer.startswith("http://")
    https = office.issuer.replace("http://", "https://")
    body = await by_itself(office, "agent") | asserted(assertion(office, KEY, "agent", aud=https))
    well_formed(await send(office, body))
    hint = json.dumps({"format": "iss_sub", "iss": https, "sub": "auth0|ada"})
    assert (await asking.ask(office, login_hint=hint)).status_code == 200
