"""ANY /vault/proxy/{connection}/{path}: a call at a provider, with the person's account and without its credential."""

from __future__ import annotations

from remit_server.errors import InvalidToken, NotFound
from remit_server.rules.scopes import VAULT
from remit_server.runtime.machines import Machines
from remit_server.storage.groups.agreements import Held
from remit_server.storage.groups.lendings import Asked
from remit_server.vault.proxy import Proxy
from remit_server.wire.bearer import caller
from remit_server.wire.http import Request, Sendable

PREFIX = "/vault/proxy/"


class ProxyEndpoint:
    def __init__(self, machines: Machines, proxy: Proxy) -> None:
        self._machines, self._proxy = machines, proxy

    async def __call__(self, request: Request) -> Sendable:
        """The agent shows a token of its own, for the vault and nothing else: one that other APIs see as well would let
        them call, too."""
        # As it was on the wire: the router has decoded the path, and several are then the same.
        if not request.raw_path.startswith(PREFIX):
            raise NotFound
        name, slash, path = request.raw_path.removeprefix(PREFIX).partition("/")
        asked: Asked | None = None

        async def held(hash_: str) -> Held | None:
            nonlocal asked
            asked = await self._machines.store.lendings.called(hash_, name)
            return asked.held if asked else None

        vault = self._machines.settings.url("/vault/")
        who = await caller(request, self._machines, audience=vault, scopes=VAULT, held=held)
        if who.token.audiences != (vault,) or who.user is None:
            raise InvalidToken(
                "The token must be a person's, and for the vault alone.",
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
        assert asked is not None, "the token was read with it"
        return await self._proxy(request, who, asked, name, slash + path or "/")
