"""The one door. Every token, exchange, proxied call and approval passes here, and leaves with a decision that the event keeps.

Four answers, cheapest first: the agent is active; the person's agreement covers it; the relations allow it; the
organisation's policy permits it. The first no is the answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from remit_server.runtime.ports import Act, Decision, Deny, Permit

Judge = Callable[[Act], Awaitable[Decision]]
"""One answer: agreement, relations, policy."""


@dataclass(frozen=True)
class Decide:
    """The port of `runtime.ports.Decide`, over the judges that `app.py` passes in, in their order."""

    judges: tuple[Judge, ...] = ()

    async def __call__(self, act: Act) -> Decision:
        refused = _standing(act)
        if refused:
            return refused
        why: tuple[str, ...] = ()
        for judge in self.judges:
            decision = await judge(act)
            if not isinstance(decision, Permit):
                return decision
            why += decision.why
        return Permit(act=act, why=why)


def _standing(act: Act) -> Deny | None:
    """Who is not active does nothing, and no client uses a connection that it is not registered for. What it may ask of APIs has
    been settled by then (`wire/targets.py`)."""
    client = act.client
    if client.state != "active":
        return Deny(reason=f"{client.name} is {client.state}.", why=("client.state",))
    if act.user is not None and act.user.state != "active":
        return Deny(reason="This account is blocked.", why=("user.state",))
    if act.connection is not None and act.connection not in client.connections:
        return Deny(reason=f"{client.name} may not use the connection {act.connection}.", why=("client.connections",))
    return None
