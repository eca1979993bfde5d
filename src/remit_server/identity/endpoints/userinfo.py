"""GET and POST /userinfo (OIDC Core section 5.3)."""

from __future__ import annotations

from remit_server.errors import InvalidToken
from remit_server.rules.scopes import claims_of
from remit_server.runtime.machines import Machines
from remit_server.wire.bearer import caller
from remit_server.wire.http import Answer, Request, json_answer


class Userinfo:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        audience = self._machines.settings.url("/userinfo")
        who = await caller(request, self._machines, audience=audience, scopes=("openid",))
        if who.user is None:
            raise InvalidToken(detail="the token stands for a client, not a person")
        return json_answer({"sub": who.user.id, **claims_of(who.user, who.token.scopes)})
