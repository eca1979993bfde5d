"""Pillar 2 without a token: calls at a provider that Remit makes in the user's name. The provider's credential stays there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Any
from urllib.parse import quote

import httpx2

from .errors import Misconfigured, RemitError
from .server import OAuthRefusal
from .session import Session
from .vault import not_lent

_SCOPES = ("vault:proxy",)
_ANSWERED = "remit-upstream"
"""Stands in an answer of the provider, and in none of Remit's own."""
_SECONDS = 60.0


class Vault:
    """The accounts that a user has connected, as an agent may call them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def client(
        self, connection: str, *, account: str | None = None, host: str | None = None, timeout: float = _SECONDS
    ) -> httpx2.AsyncClient:
        """A client of the provider's API, whose every call goes through Remit::

            async with user.vault.client("calendar") as api:
                answer = await api.get("/calendars/primary/events")

        Paths are those below the API's base, as the server's configuration names it. Redirects are not followed. What the
        provider answers comes back as it is, whatever its status; where Remit itself says no, an error is raised.

        Args:
            connection: its name at the server.
            account: which one, when the user has connected several: the provider's user identifier.
            host: another host of the provider than the API's usual one; paths count from its root.
            timeout: seconds of silence after which a call is given up.

        Raises, from its calls:
            ConnectRequired: not connected, or withdrawn at the provider. Holds the link that mends it.
            UserAway: with the link at which the user allows the account to be used while they are away.
            SignInRequired: nothing stands for the user any more.
            NotAllowed: no rule lets this agent make this call, or the company's policy forbids it.
            Unavailable: the provider or the server does not answer.
        """
        base = self._session.server.issuer.page(f"vault/proxy/{quote(connection, safe='')}")
        headers = {"User-Agent": "remit-python"}
        headers |= {"Remit-Account": account} if account else {}
        headers |= {"Remit-Host": host} if host else {}
        return httpx2.AsyncClient(
            base_url=base,
            auth=_Through(self._session, connection, base),
            headers=headers,
            timeout=timeout,
            transport=self._session.server.transport.shared(),
        )

    def __repr__(self) -> str:
        return "Vault(...)"


class _Through(httpx2.Auth):
    """Shows the agent's own token for the vault, and reads Remit's refusals."""

    def __init__(self, session: Session, connection: str, base: str) -> None:
        self._session, self._connection, self._base = session, connection, httpx2.URL(base + "/")

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        here, there = self._base, request.url
        if (here.scheme, here.netloc) != (there.scheme, there.netloc) or not there.raw_path.startswith(here.raw_path):
            raise Misconfigured("a client of the vault takes paths, not URLs of other places")
        token = await self._session.access_token(self._session.server.issuer.page("vault/"), _SCOPES)
        signing = token.auth.auth_flow(request)
        response = yield next(signing)
        if (again := _next(signing, response)) is not None and _can_be_repeated(request):
            response = yield again
        if response.is_error and _ANSWERED not in response.headers:
            await response.aread()
            raise self._error(response)

    def _error(self, response: httpx2.Response) -> RemitError:
        try:
            found: Any = response.json()
        except ValueError:
            found = None
        members = found if isinstance(found, dict) else {}
        code = str(members.get("type", "")).rpartition(":")[2] or "server_error"
        if (needed := not_lent(self._session.server.issuer, code, members, self._connection)) is not None:
            return needed
        after = response.headers.get("retry-after", "")
        detail = {"error_description": str(members.get("detail", f"HTTP {response.status_code}"))}
        code = "temporarily_unavailable" if response.status_code in {429, 502, 503, 504} else code
        return OAuthRefusal(code, detail, int(after) if after.isascii() and after.isdigit() else None).as_error()


def _next(
    signing: Generator[httpx2.Request, httpx2.Response, None], response: httpx2.Response
) -> httpx2.Request | None:
    try:
        return signing.send(response)
    except StopIteration:
        return None


def _can_be_repeated(request: httpx2.Request) -> bool:
    try:
        request.content  # noqa: B018 - a body that is read as it is sent has none
    except httpx2.RequestNotRead:
        return False
    return True
