"""PyPI authlib 1.9.9: code over requests, client credentials and introspection over httpx."""

from __future__ import annotations

from pathlib import Path

import pytest
from joserfc.jwk import RSAKey
from tests.fixtures.house import AGENT, BROKER, SECRET, START
from tests.interop.live import Live, Trust, live
from tests.interop.play import play_python
from tests.ledger import proves

from remit_server.records import Client

pytestmark = proves("interop.authlib")


@pytest.mark.parametrize("auth", ["client_secret_basic", "client_secret_post"])
async def test_code(over_tls: Live, auth: str) -> None:
    got = await play_python(over_tls, "authlib_code", client="agent", secret=SECRET, auth=auth, redirect_uri=AGENT)
    assert got["claims"]["sub"] == got["person"]["sub"] == "auth0|ada"
    assert got["scope"] == "openid profile email offline_access"
    assert got["rotated"]
    assert (got["revoked"], got["after"]) == (200, 401)


@pytest.mark.parametrize("auth", ["client_secret_basic", "client_secret_post"])
async def test_client_credentials_and_introspection(over_tls: Live, auth: str) -> None:
    got = await play_python(over_tls, "authlib_service", client="service", secret=SECRET, auth=auth, resource=BROKER)
    assert got["before"]["active"] is True
    assert (got["before"]["client_id"], got["before"]["aud"]) == ("service", BROKER)
    assert got["after"] == {"active": False}


async def test_private_key_jwt(trust: Trust, tmp_path: Path) -> None:
    key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"})
    robot = Client(
        id="robot", name="Robot", kind="service", auth_methods=("private_key_jwt",), grants=("client_credentials",),
        apis={BROKER: ("portfolio:read",)}, jwks={"keys": [key.as_dict(private=False)]}, created_at=START,
    )  # fmt: skip
    # authlib signs for an hour, and five minutes is the most that we take unless told otherwise.
    async with live(tmp_path, trust, robot, assertion_lifetime=3600) as server:
        given = {"client": "robot", "auth": "private_key_jwt", "key": key.as_pem(private=True).decode()}
        got = await play_python(server, "authlib_service", resource=BROKER, **given)
    assert got["before"]["client_id"] == "robot"
    assert got["after"] == {"active": False}
