"""From an `authorization_details` parameter to what this client may ask of these APIs."""

from __future__ import annotations

from collections.abc import Mapping

from remit_server.catalog import load
from remit_server.errors import InvalidDetails
from remit_server.records import Client, DetailType
from remit_server.rules import details
from remit_server.runtime.machines import Machines
from remit_server.wire.form import Form


async def known_types(machines: Machines) -> Mapping[str, DetailType]:
    """Every detail type: those of the catalog, and those that the organisation declared, which win."""
    return {**load.detail_types(), **{kind.type: kind for kind in await machines.store.detail_types.all()}}


async def asked_details(
    machines: Machines, client: Client, form: Form, audiences: tuple[str, ...]
) -> tuple[dict[str, object], ...]:
    """The canonical details that are asked for, none if the parameter is absent. Raises `InvalidDetails`.

    A type is open to a client when an API that is asked for takes it; without an audience, an API of the client's.
    """
    text = form.get("authorization_details")
    if text is None:
        return ()
    apis = [await machines.store.apis.get(audience) for audience in audiences or client.apis]
    allowed = {name for api in apis if api is not None for name in api.authorization_details}
    if not allowed:
        raise InvalidDetails("None of the APIs that are asked for takes authorization_details.")
    return details.judge(details.parse(text), await known_types(machines), allowed)
