"""POST /bc-authorize: an agent asks a person (CIBA Core 1.0 section 7)."""

from __future__ import annotations

from typing import Any

from remit_server.approvals.ask import Question, ask
from remit_server.approvals.whom import NotToBeAsked, Whom, code_proven, hinted, may_be_asked, nobody
from remit_server.errors import InvalidRequest, UnauthorizedClient, UnknownUser
from remit_server.records import Client
from remit_server.rules import backchannel, signed_request
from remit_server.runtime.machines import Machines
from remit_server.runtime.ports import Act
from remit_server.storage.contract import Lost
from remit_server.wire.client_auth import authenticate, burn, keys_of
from remit_server.wire.details import asked_details
from remit_server.wire.dpop import proven_key
from remit_server.wire.form import Form, from_json, parse_form
from remit_server.wire.http import Answer, Request, json_answer
from remit_server.wire.targets import settle


class BcAuthorize:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines, settings = self._machines, self._machines.settings
        form = await parse_form(request)
        client = await authenticate(request, form, machines)
        if "ciba" not in client.grants or not client.confidential:
            raise UnauthorizedClient("This client is not registered for CIBA.")
        form = await self._signed(form, client)
        token = backchannel.notification_token(client, form.get("client_notification_token"))
        target = await settle(machines, client, form)
        backchannel.scopes(target.scopes)
        message = backchannel.binding_message(form.get("binding_message"))
        lifetime = backchannel.lifetime(
            form.get("requested_expiry") or form.get("request_expiry"),
            default=settings.approval_lifetime, longest=settings.longest_approval,
        )  # fmt: skip
        details = await asked_details(machines, client, form, target.audiences)
        jkt = await proven_key(request, machines)
        if client.dpop_bound and jkt is None and not backchannel.fetches(client):
            raise InvalidRequest("This client must prove a DPoP key here: what is pushed to it will be bound to it.")
        whom = await hinted(machines, form, client)
        machines.throttle.check(f"ask|{client.id}|{whom.id}", per_minute=30, burst=30)
        await code_proven(machines, client, whom, form.get("user_code"))
        act = Act(
            kind="ask", client=client, user=whom.user, audiences=target.audiences, scopes=target.scopes, details=details,
            approved_by=(whom.id,),
        )  # fmt: skip
        try:
            await may_be_asked(machines, act)
        except (UnknownUser, NotToBeAsked):
            if settings.unknown_users != "silent":
                raise
            # As if somebody were there who does not answer. Nobody sees it; it expires.
            whom = Whom(whom.id if whom.user is None else nobody(machines, client, whom.id), None)
        question = Question(
            kind="ciba", target=target, lifetime=lifetime, user_id=whom.id, details=details, binding_message=message,
            notification_token=token, jkt=jkt, origin=request.address,
        )  # fmt: skip
        asked = await ask(machines, client, question)
        body: dict[str, Any] = {
            "auth_req_id": asked.handle,
            "expires_in": asked.approval.expires_at - machines.clock.now(),
            "interval": asked.approval.interval,
            "approval_uri": settings.url(f"/approvals/{asked.approval.id}"),
        }
        if asked.approval.mode == "push":
            del body["interval"]  # section 7.3: nothing is polled
        return json_answer(body)

    async def _signed(self, form: Form, client: Client) -> Form:
        """The parameters: of the signed request, where the client makes one (section 7.1.1), and those only."""
        machines, text = self._machines, form.get("request")
        if text is None:
            if client.backchannel_authentication_request_signing_alg:
                raise InvalidRequest("This client asks by signed requests: send one as `request`.")
            return form
        if beside := sorted(set(form) - signed_request.PROOFS):
            raise InvalidRequest(f"The parameter {beside[0]!r} must be inside the signed request.")
        signed = signed_request.request(
            text, client, await keys_of(machines, client), issuer=machines.settings.issuer, now=machines.clock.now(),
            skew=machines.settings.clock_skew,
        )  # fmt: skip
        try:
            await machines.store.commit(burn(machines, f"signed request|{client.id}|{signed.jti}", signed.expires_at))
        except Lost as error:
            raise InvalidRequest("This signed request was used before.") from error
        return from_json(signed.parameters)
