"""POST /bc-authorize: an agent asks a person (CIBA Core 1.0 section 7)."""

from __future__ import annotations

from remit_server.approvals.ask import Question, ask
from remit_server.errors import AccessDenied, InvalidRequest, UnauthorizedClient, UnknownUser
from remit_server.records import Client, User
from remit_server.rules import backchannel
from remit_server.runtime.machines import Machines
from remit_server.runtime.ports import Act
from remit_server.wire.client_auth import authenticate
from remit_server.wire.details import asked_details
from remit_server.wire.dpop import proven_key
from remit_server.wire.form import Form, parse_form
from remit_server.wire.hints import subject_of_hint
from remit_server.wire.http import Answer, Request, json_answer
from remit_server.wire.targets import settle
from remit_server.wire.tokens import permitted


class _NotToBeAsked(AccessDenied):
    """Here, and only here, access_denied has the status 403 (CIBA Core 1.0 section 13)."""

    status = 403


class BcAuthorize:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines, settings = self._machines, self._machines.settings
        form = await parse_form(request)
        client = await authenticate(request, form, machines)
        if "ciba" not in client.grants or not client.confidential:
            raise UnauthorizedClient("This client is not registered for CIBA.")
        for unsupported in ("request", "login_hint_token", "user_code"):
            if form.get(unsupported):
                raise InvalidRequest(f"The parameter {unsupported!r} is not supported.")
        target = await settle(machines, client, form)
        backchannel.scopes(target.scopes)
        message = backchannel.binding_message(form.get("binding_message"))
        lifetime = backchannel.lifetime(
            form.get("requested_expiry") or form.get("request_expiry"),
            default=settings.approval_lifetime, longest=settings.longest_approval,
        )  # fmt: skip
        details = await asked_details(machines, client, form, target.audiences)
        user = await self._hinted(form, client)
        machines.throttle.check(f"ask|{client.id}|{user.id}", per_minute=30, burst=30)
        act = Act(
            kind="ask", client=client, user=user, audiences=target.audiences, scopes=target.scopes, details=details,
            approved_by=(user.id,),
        )  # fmt: skip
        try:
            await permitted(machines, act)
        except AccessDenied as error:
            raise _NotToBeAsked(error.text, detail=error.detail) from error
        question = Question(
            kind="ciba", target=target, lifetime=lifetime, user_id=user.id, details=details, binding_message=message,
            jkt=await proven_key(request, machines), origin=request.address,
        )  # fmt: skip
        asked = await ask(machines, client, question)
        return json_answer(
            {
                "auth_req_id": asked.handle,
                "expires_in": lifetime,
                "interval": asked.approval.interval,
                "approval_uri": settings.url(f"/approvals/{asked.approval.id}"),
            }
        )

    async def _hinted(self, form: Form, client: Client) -> User:
        """Who is to be asked: exactly one hint says so (section 7.1)."""
        store = self._machines.store
        login, id_token = form.get("login_hint"), form.get("id_token_hint")
        if (login is None) == (id_token is None):
            raise InvalidRequest("Send exactly one of login_hint and id_token_hint.")
        if id_token is not None:
            user = await store.users.get(await subject_of_hint(self._machines, id_token, client))
        else:
            hint = backchannel.login_hint(login or "", self._machines.settings.issuer)
            user = await (store.users.by_email(hint.email) if hint.email else store.users.get(hint.user_id or ""))
        if user is None or user.state != "active":
            raise UnknownUser
        return user
