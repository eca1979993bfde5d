"""POST /me/v1/connected-accounts/complete: the app proves that it is the one who began, and the account is kept."""

from __future__ import annotations

import re
from typing import Any

from remit_server.rules.connecting import invalid
from remit_server.runtime.machines import Machines
from remit_server.vault import connect
from remit_server.vault.shown import shown
from remit_server.wire.bearer import person
from remit_server.wire.form import parse_json
from remit_server.wire.http import Answer, Request, json_answer

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")  # RFC 7636 section 4.1


class Complete:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who, user = await person(request, machines, scopes=("create:me:connected_accounts",))
        body = parse_json(await request.body())
        verifier = _text(body, "code_verifier")
        if not _VERIFIER.fullmatch(verifier):
            raise invalid(("code_verifier", "must be 43 to 128 unreserved characters"))
        account = await connect.complete(
            machines, user, who.client, auth_session=_text(body, "auth_session"),
            connect_code=_text(body, "connect_code"), redirect_uri=_text(body, "redirect_uri"), verifier=verifier,
        )  # fmt: skip
        return json_answer(shown(account), 201)


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= 2048:
        raise invalid((name, "must be a string of 1 to 2048 characters"))
    return value
