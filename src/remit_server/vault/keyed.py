"""Connecting by what a person types on the connect page: an API key, or a name and a password.

What was typed is checked with the provider before anything is kept, is sealed with the account, and is only ever attached to
calls that go through the proxy: no agent borrows it.
"""

from __future__ import annotations

from collections.abc import Mapping

from remit_server.errors import ProtocolError
from remit_server.records import ConnectedAccount
from remit_server.rules import providers
from remit_server.rules.connection import home_of
from remit_server.runtime.ids import new_id
from remit_server.runtime.machines import Machines
from remit_server.runtime.outbound import OutboundRefused
from remit_server.vault import upstream
from remit_server.vault.connect import Chosen, NotConnectedHere, Opened, arrived, taken


class Mistyped(ProtocolError):
    """Not what the provider gives, or not what it accepts. `fields` tells by field what is wrong, in words for the person;
    the flow goes on."""

    code = "invalid_request"
    may_redirect = False

    def __init__(self, fields: Mapping[str, str], *, detail: str | None = None) -> None:
        self.fields = fields
        super().__init__(" ".join(fields.values()), detail=detail)


async def typed(
    machines: Machines, open_: Opened, chosen: Chosen, values: Mapping[str, str]
) -> tuple[ConnectedAccount, str | None]:
    """The account, and the connect code for the client that waits for it, as from `connect.redeem`. Raises `Mistyped`,
    `NotConnectedHere`, `TooManyRequests`, and `NotFound` when the flow is over."""
    connection, attempt = open_.connection, open_.attempt
    given = {one.name: values.get(one.name, "").strip() for one in connection.fields}
    if wrong := providers.misread(connection, given):
        raise Mistyped(wrong)
    # Somebody else's keys are not to be tried out here.
    machines.throttle.check(f"typed|{attempt.user_id}", per_minute=5, burst=10)
    name = connection.display_name or connection.name
    try:
        whose = await upstream.identity(machines, connection, given)
    except upstream.NotAccepted as error:
        last = connection.fields[-1].name
        raise Mistyped({last: f"{name} does not accept this."}, detail=error.detail) from error
    except OutboundRefused as error:
        raise NotConnectedHere(f"{name} could not be asked. Try again.", detail=error.detail) from error
    going = await taken(machines, open_, chosen)
    now = machines.clock.now()
    account = ConnectedAccount(
        id=new_id(), user_id=going.owner, connection=connection.name, home=home_of(connection),
        upstream_id=whose.id, label=whose.label or providers.label_of(connection, given), credentials=given,
        created_at=now, refreshed_at=now,
    )  # fmt: skip
    return await arrived(machines, going, account)
