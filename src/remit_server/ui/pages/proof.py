"""POST /approvals/{id}/proof: what the person's passkey is to sign before they approve. For the card's script, as JSON."""

from __future__ import annotations

from remit_server.approvals import proof
from remit_server.errors import ProofRequired
from remit_server.rules import answering
from remit_server.rules import editing as rules
from remit_server.runtime.machines import Machines
from remit_server.ui import ahead, editing
from remit_server.ui.pages.doorkeeper import posted
from remit_server.wire.details import known_types
from remit_server.wire.http import Answer, Request, json_answer


class Proof:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines, id_ = self._machines, request.params["id"]
        sent = await posted(request, machines, back=f"/approvals/{id_}")
        if isinstance(sent, Answer):
            return sent
        approval = answering.addressed(await machines.store.approvals.get(id_), sent.user)
        version, digest = editing.version(sent.form), sent.form.need("digest")
        answering.judge(approval, version=version, digest=digest, now=machines.clock.now())
        details = editing.edited(approval, sent.form, types := await known_types(machines))
        digest = rules.judge(approval.details, details, types).digest
        remember = ahead.remembered(approval, sent.form, types)
        act = proof.Approving(approval=approval, digest=digest, remember=remember)
        options = proof.options(act, await proof.means(machines, sent.user))
        if options is None:
            raise ProofRequired
        return json_answer(options)
