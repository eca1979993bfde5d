"""Both discovery documents (RFC 8414, OIDC Discovery 1.0): one content, true in every word."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.fixtures.house import BROKER, House, built, sqlite
from tests.ledger import proves

from remit_server.config import Settings
from remit_server.errors import ConfigurationError

DOCUMENTS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")


async def metadata(house: House, path: str = DOCUMENTS[0]) -> dict[str, Any]:
    answer = await house.http.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    return body


def claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


@proves("oauth.issuer-exact")
@pytest.mark.parametrize(
    "issuer", ["http://127.0.0.1:8080/", "http://127.0.0.1:8080", "https://id.example.com/", "https://ID.example.com"]
)
async def test_the_issuer_is_the_same_bytes_everywhere(tmp_path: Path, issuer: str) -> None:
    async with built(sqlite(tmp_path), issuer=issuer) as house:
        for path in DOCUMENTS:
            assert (await metadata(house, path))["issuer"] == issuer
        form = {"grant_type": "client_credentials", "audience": BROKER, **house.proof("service")}
        token = (await house.http.post("/oauth/token", data=form)).json()["access_token"]
        assert claims(token)["iss"] == issuer
        seen = await house.http.post("/oauth/introspect", data={"token": token, **house.proof("service")})
        assert seen.json()["iss"] == issuer
        if issuer.startswith("http:"):
            code = await house.code_for("web")
            assert code.returned["iss"] == issuer
            assert claims((await house.redeem(code)).json()["id_token"])["iss"] == issuer
            await house.authorize(code.browser, response_type="token")
            assert code.browser.returned["iss"] == issuer


@proves("oauth.issuer-exact")
@pytest.mark.parametrize(
    "issuer", ["http://127.0.0.1:8080/", "http://127.0.0.1:8080", "https://id.example.com/tenant/"]
)
async def test_urls_have_one_slash_between(tmp_path: Path, issuer: str) -> None:
    async with built(sqlite(tmp_path), issuer=issuer, registration="open") as house:
        document = (await house.http.get("https://any.example" + DOCUMENTS[0])).json()
        for name, value in document.items():
            if name.endswith(("_endpoint", "_uri")):
                assert value.startswith(issuer.rstrip("/") + "/"), name
                assert "//" not in urlsplit(value).path, name


@pytest.mark.parametrize(
    "issuer",
    [
        "http://id.example.com/",
        "https://id.example.com/?x=1",
        "https://id.example.com/#x",
        "id.example.com",
        "",
        "https://",
    ],
)
def test_what_is_no_issuer_does_not_start(issuer: str) -> None:
    with pytest.raises(ConfigurationError):
        Settings(issuer=issuer)


async def test_both_documents_are_the_same(house: House) -> None:
    one, other = [await house.http.get(path) for path in DOCUMENTS]
    assert one.content == other.content
    assert one.headers == other.headers


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_what_clients_decide_by(house: House, path: str) -> None:
    document = await metadata(house, path)
    assert document["code_challenge_methods_supported"] == ["S256"], "MCP clients go no further without"
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["response_types_supported"] == ["code"]
    assert document["dpop_signing_alg_values_supported"] == ["ES256", "EdDSA", "PS256", "RS256"]
    assert document["authorization_details_types_supported"] == sorted(
        document["authorization_details_types_supported"]
    )
    assert "trade_order" in document["authorization_details_types_supported"]
    assert "none" not in document["introspection_endpoint_auth_methods_supported"]
    assert "registration_endpoint" not in document


async def test_every_endpoint_that_is_named_answers(tmp_path: Path) -> None:
    async with built(sqlite(tmp_path), registration="open") as house:
        document = await metadata(house)
        named = {name: url for name, url in document.items() if name.endswith(("_endpoint", "jwks_uri"))}
        assert len(named) > 9
        for name, url in named.items():
            answers = [await house.http.request(method, url) for method in ("GET", "POST")]
            assert any(answer.status_code not in {404, 405} for answer in answers), name
            assert all(answer.status_code < 500 for answer in answers), name


async def test_every_grant_type_that_is_named_is_known(house: House) -> None:
    for grant in (await metadata(house))["grant_types_supported"]:
        answer = await house.http.post("/oauth/token", data={"grant_type": grant, **house.proof("agent")})
        assert answer.json().get("error") != "unsupported_grant_type", grant
    answer = await house.http.post("/oauth/token", data={"grant_type": "password", **house.proof("agent")})
    assert answer.json()["error"] == "unsupported_grant_type"


@pytest.mark.parametrize("setting", ["open", "token"])
async def test_registration_is_named_when_it_is_on(tmp_path: Path, setting: str) -> None:
    async with built(sqlite(tmp_path), registration=setting, registration_token="initial") as house:
        assert (await metadata(house))["registration_endpoint"] == house.issuer + "oidc/register"


async def test_browser_apps_and_caches_may_read_it(house: House) -> None:
    answer = await house.http.get(DOCUMENTS[0], headers={"Origin": "https://app.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "public, max-age=300"
