"""POST /approvals/{id}/preview: how what the person typed on the card would read, if they approved it. Nothing is answered."""

from __future__ import annotations

from msgspec.structs import replace

from remit_server.errors import InvalidDetails
from remit_server.rules import answering
from remit_server.rules import editing as rules
from remit_server.rules.visible import reveal
from remit_server.runtime.machines import Machines
from remit_server.ui import editing
from remit_server.ui.pages.doorkeeper import posted
from remit_server.ui.telling import asked_for
from remit_server.wire.details import known_types
from remit_server.wire.http import Answer, Request, json_answer


class Preview:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines, id_ = self._machines, request.params["id"]
        sent = await posted(request, machines, back=f"/approvals/{id_}")
        if isinstance(sent, Answer):
            return sent
        approval = answering.addressed(await machines.store.approvals.get(id_), sent.user)
        types = await known_types(machines)
        try:
            less = rules.judge(approval.details, editing.edited(approval, sent.form, types), types)
        except InvalidDetails as error:
            return json_answer({"changed": False, "error": reveal(error.text)})
        read = await asked_for(machines, replace(approval, details=less.details))
        limits = [f"{line.label}: {line.value}" for line in read.lines if line.emphasis]
        return json_answer(
            {"changed": bool(less.changes), "act": reveal(read.sentence), "limit": reveal(" · ".join(limits))}
        )
