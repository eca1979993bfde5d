"""What every grant ends with: pass the door, mint, store and tell, answer."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from remit_server.errors import AccessDenied
from remit_server.records import Event
from remit_server.runtime.machines import Machines
from remit_server.runtime.ports import Act, Deny, Issued, Permit, RequireApproval
from remit_server.storage.contract import Step
from remit_server.wire.http import Answer, json_answer


async def permitted(machines: Machines, act: Act) -> Permit:
    """The permit for an act. Raises `AccessDenied` with the reason, in words for the client's developer and the person."""
    decision = await machines.decide(act)
    match decision:
        case Permit():
            return decision
        case RequireApproval():
            raise AccessDenied(
                "The organisation's policy wants another person to approve this first.", detail=str(decision.why)
            )
        case Deny():
            raise AccessDenied(decision.reason, detail=str(decision.why))


class Answered(Struct, frozen=True, kw_only=True):
    """The parts of a token response (RFC 6749 section 5.1); what is None is left out, because null breaks clients."""

    access: Issued
    refresh: Issued | None = None
    id_token: str | None = None
    issued_token_type: str | None = None
    members: dict[str, Any] = field(default_factory=dict)
    """Further members of the answer."""

    def json(self) -> dict[str, Any]:
        token = self.access.token
        body: dict[str, Any] = {
            "access_token": self.access.value,
            "token_type": "DPoP" if token.jkt else "Bearer",
            "expires_in": token.expires_at - token.created_at,
            "scope": " ".join(token.scopes),
        }
        optional = {
            "refresh_token": self.refresh.value if self.refresh else None,
            "id_token": self.id_token,
            "issued_token_type": self.issued_token_type,
            "authorization_details": list(token.details) or None,
        }
        body.update({name: value for name, value in optional.items() if value is not None})
        return body | self.members


async def hand_out(
    machines: Machines,
    answered: Answered,
    event: Event,
    *,
    deciding: tuple[Step, ...] = (),
    after: tuple[Step, ...] = (),
) -> Answer:
    """Commit the deciding steps, the tokens and the event as one unit, then answer. `Lost` goes to the grant, which knows
    what losing means there."""
    tokens = [machines.store.tokens.add(answered.access.token)]
    if answered.refresh:
        tokens.append(machines.store.tokens.add(answered.refresh.token))
    await machines.store.commit(*deciding, *tokens, *after, events=(event,))
    return json_answer(answered.json())


def described(answered: Answered, grant: str) -> dict[str, Any]:
    """What the event says about tokens: everything but the tokens."""
    token = answered.access.token
    about: dict[str, Any] = {
        "grant": grant,
        "jti": token.jti,
        "scope": " ".join(token.scopes),
        "aud": list(token.audiences),
    }
    if token.details:
        about["details"] = list(token.details)
    if token.jkt:
        about["jkt"] = token.jkt
    return about
