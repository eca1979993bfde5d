"""What a thief who is a registered agent tries with somebody else's tokens: past the SDK, which would not."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any

import httpx2
from joserfc import jwk, jwt

from remit_demo.agent.planner import ToolCall
from remit_demo.world import World

_EXCHANGE = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token"
_REQUESTED = "http://auth0.com/oauth/token-type/federated-connection-access-token"
_CALL = re.compile(r"\b([a-z_]+)\(([a-z_]+=[^()]*)\)")
_ARGUMENT = re.compile(r"([a-z_]+)=(?:'([^']*)'|(\d+))")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Remit's answer: the code of its error, and the reason in words; both empty when it did not refuse."""

    error: str
    why: str


async def exchange(world: World, token: str, kind: str = "refresh") -> Refusal:
    """Ask for the calendar of whoever the token stands for, as the trading assistant."""
    form = {
        "grant_type": _EXCHANGE, "requested_token_type": _REQUESTED, "connection": "calendar", "subject_token": token,
        "subject_token_type": f"urn:ietf:params:oauth:token-type:{kind}_token", "client_id": "trading-assistant",
        "client_secret": world.assistant_secret,
    }  # fmt: skip
    async with httpx2.AsyncClient() as http:
        return _refusal(await http.post(f"{world.remit}/oauth/token", data=form))


async def call(world: World, token: str, *, key: bool = False) -> Refusal:
    """Read the calendar of whoever the token stands for, by way of the vault; with ``key``, prove a key of our own (RFC 9449)."""
    url = f"{world.remit}/vault/proxy/calendar/calendar/events"
    headers = (
        {"Authorization": f"DPoP {token}", "DPoP": _proof(url, token)} if key else {"Authorization": f"Bearer {token}"}
    )
    async with httpx2.AsyncClient() as http:
        return _refusal(await http.get(url, headers=headers))


def commanded(text: str) -> list[ToolCall]:
    """The calls that a text tells its reader to make, in the manner of a planner that takes words for orders."""
    return [
        ToolCall(name, {key: int(number) if number else word for key, word, number in _ARGUMENT.findall(arguments)})
        for name, arguments in _CALL.findall(text)
    ]


def _proof(url: str, token: str) -> str:
    own = jwk.ECKey.generate_key("P-256")
    head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": own.as_dict(private=False)}
    digest = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
    now = int(time.time())
    claims: dict[str, Any] = {"jti": secrets.token_hex(8), "htm": "GET", "htu": url, "iat": now, "ath": digest}
    return jwt.encode(head, claims, own)


def _refusal(answer: httpx2.Response) -> Refusal:
    if answer.is_success:
        return Refusal("", "")
    said = answer.json()
    code = said.get("error") or str(said.get("type", "")).rpartition(":")[2]
    return Refusal(code, said.get("error_description") or said.get("detail") or said.get("title") or "")
