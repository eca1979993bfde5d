"""From parameters to a valid authorization request: the same for /authorize and for what is pushed."""

from __future__ import annotations

from msgspec.structs import replace

from remit_server.errors import InvalidRequest
from remit_server.records import Client
from remit_server.rules.authorization import Asked, Back, Place, judge
from remit_server.runtime.machines import Machines
from remit_server.wire.details import asked_details
from remit_server.wire.form import Form
from remit_server.wire.hints import subject_of_hint
from remit_server.wire.targets import settle


def single(form: Form) -> dict[str, str]:
    """The parameters that come once."""
    return {name: value for name in form if (value := form.get(name)) is not None}


async def judged(machines: Machines, form: Form, client: Client, back: Back, place: Place) -> Asked:
    """The request with its APIs, scopes and details settled. Raises the OAuth error of the first check that fails."""
    asked = judge(single(form), client, back, place)
    await _known(machines, asked.connection)
    target = await settle(machines, client, form)
    hint = form.get("id_token_hint")
    return replace(
        asked,
        audiences=target.audiences,
        scopes=target.scopes,
        details=await asked_details(machines, client, form, target.audiences),
        subject=await subject_of_hint(machines, hint, client) if hint else None,
    )


async def _known(machines: Machines, connection: str | None) -> None:
    """A way to sign in that the request chooses must be there. Raises `InvalidRequest`."""
    if connection is None:
        return
    found = await machines.store.connections.get(connection)
    if found is None or "authentication" not in found.use:
        raise InvalidRequest(f"There is no connection {connection!r} to sign in with.")
