"""GET /me/v1/passkeys; PATCH and DELETE /me/v1/passkeys/{id}: the person's passkeys, for an app of the organisation's own.

Adding one takes the person's browser and a page of ours: a passkey is bound to this server's name.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from remit_server.errors import Forbidden, InsufficientAuthentication, InvalidRequest, NotFound
from remit_server.identity import passkeys
from remit_server.records import Passkey as Record
from remit_server.rules import scopes
from remit_server.rules.authorization import TWO_FACTORS
from remit_server.runtime.machines import Machines
from remit_server.wire.bearer import Caller, person
from remit_server.wire.http import NO_STORE, Answer, Request, json_answer

RECENT = 600
"""Seconds that a sign-in counts as recent, as on the page."""


def shown(passkey: Record) -> dict[str, object]:
    """What is told of one: nothing that a browser needs to use it."""
    return {
        "id": passkey.id,
        "name": passkey.name,
        "synced": passkey.synced,
        "backed_up": passkey.backed_up,
        "transports": list(passkey.transports),
        "created_at": passkey.created_at,
        "used_at": passkey.used_at,
    }


class Passkeys:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        who, user = await person(request, self._machines, scopes=("read:me:passkeys",))
        _own(who)
        return json_answer({"passkeys": [shown(each) for each in await self._machines.store.passkeys.of_user(user.id)]})


def _own(who: Caller) -> None:
    """Raises `Forbidden` for a client that may not have these scopes any more."""
    if scopes.PASSKEYS.isdisjoint(scopes.of_account(who.client)):
        raise Forbidden("Only the organisation's own apps may manage a person's passkeys, and agents never.")


class Name(Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class Passkey:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines, id_ = self._machines, request.params["id"]
        verb = "delete" if request.method == "DELETE" else "update"
        who, user = await person(request, machines, scopes=(f"{verb}:me:passkeys",))
        _own(who)
        if verb == "delete":
            await self._recent(who)
            await passkeys.remove(machines, user, id_, client=who.client.id, address=request.address)
            return Answer(204, headers=NO_STORE)
        try:
            name = msgspec.json.decode(await request.body(), type=Name).name
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequest(f"The body is not a name: {error}") from error
        await passkeys.rename(machines, user, id_, name)
        kept = await machines.store.passkeys.get(id_)
        if kept is None:
            raise NotFound(detail="it was removed meanwhile")
        return json_answer(shown(kept))

    async def _recent(self, who: Caller) -> None:
        """Raises `InsufficientAuthentication` unless two factors were shown lately (RFC 9470 section 3)."""
        machines = self._machines
        grant = await machines.store.grants.get(who.token.grant_id) if who.token.grant_id else None
        if grant and grant.acr == TWO_FACTORS and machines.clock.now() - (grant.auth_time or 0) < RECENT:
            return
        scheme = "DPoP" if who.token.jkt else "Bearer"
        raise InsufficientAuthentication(
            headers={
                "WWW-Authenticate": f'{scheme} error="insufficient_user_authentication", acr_values="{TWO_FACTORS}", '
                f'max_age="{RECENT}"'
            }
        )
