"""POST /approvals/spend: an API is about to carry out what was approved, and says so first."""

from __future__ import annotations

from remit_server.approvals.spend import spend
from remit_server.errors import InvalidDetails, InvalidGrant, UnauthorizedClient
from remit_server.rules import details as rich
from remit_server.runtime.machines import Machines
from remit_server.runtime.verify import Dead
from remit_server.wire.client_auth import authenticate
from remit_server.wire.form import parse_form
from remit_server.wire.http import Answer, Request, json_answer


class Spend:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        form = await parse_form(request)
        api = await authenticate(request, form, machines)
        if not api.confidential or api.api is None:
            raise UnauthorizedClient("Only an API spends what was approved, and it proves itself.")
        act = rich.parse(form.need("authorization_details"))
        if len(act) != 1:
            raise InvalidDetails("authorization_details must hold the one act that is about to be carried out.")
        rich.canonical(act)
        live = await machines.verify(form.need("token"), kind="access")
        if isinstance(live, Dead) or not live.person_is_active or api.api not in live.token.audiences:
            raise InvalidGrant("The token is unknown, expired, revoked, or not for this API.")
        spent = await spend(machines, api, live.token, act[0], address=request.address)
        return json_answer(
            {
                "approval": {"id": spent.approval.id, "digest": spent.approval.approved_digest},
                "authorization_details": [spent.detail],
                "spent_at": spent.at,
            }
        )
