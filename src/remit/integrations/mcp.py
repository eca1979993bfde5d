"""For servers of the Model Context Protocol, on its Python SDK (``mcp`` 2): a tool that needs its person sends them to the page,
waits, and goes on. MCP calls this URL elicitation; what the person does there passes neither client nor model.

How it travels depends on who is there:

- Since 2026-07-28 the call is answered with what is required, and comes again with the person's consent to open the page.
- In 2025-11-25 the client is asked while the call is open (``elicitation/create``), and told when the page is done with
  (``notifications/elicitation/complete``); where it cannot be asked, the call ends with the error -32042 and comes again.
- A client that opens no pages gets a sentence without the link: it would reach the model.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from hashlib import sha256
from typing import Any, ParamSpec, TypeVar
from uuid import uuid4

from mcp.server.auth.provider import AccessToken
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import NoBackChannelError, UrlElicitationRequiredError
from mcp_types import ElicitRequest, ElicitRequestURLParams, InputRequiredResult
from mcp_types.version import is_version_at_least

from remit import details as rar
from remit.approvals import Approval, Grant
from remit.errors import ActionRequired, AuthenticationRequired, MoreInfoRequested, NotAllowed, Refused, RemitError
from remit.user import User
from remit.verifier import Verifier

P = ParamSpec("P")
R = TypeVar("R")

_PACE = 2.0
"""Seconds between two runs of a tool that waits: that an account has been connected, nobody tells us."""
_FILING = 60.0
"""Seconds that filing a request may take."""
_patience: ContextVar[float | None] = ContextVar("remit_mcp_patience", default=None)


class Elicitation:
    """Lets the tools of one MCP server wait for their person::

        elicitation = Elicitation()

        @tools.tool()
        @elicitation
        async def buy(qty: int, ctx: Context) -> str:
            user = await client.on_behalf_of(get_access_token().token)
            grant = await elicitation.approved(user, {"type": "trade_order", "side": "buy", "qty": qty}, audience=BROKER)

    A tool that raises ``ActionRequired`` with a link, such as ``ConnectRequired``, is run again from its start once the person has
    been there: what needs them comes before what has effects. Every other error of ours reaches the model as ``for_model``
    has it.

    Args:
        wait: seconds that a call stays open for the person; many clients give up after 60. Afterwards the model is told that
            they have not acted, and the same call goes on where this one stopped. With 0 no call is held.
    """

    def __init__(self, *, wait: float = 50.0) -> None:
        self._wait = wait
        self._asked: dict[tuple[str, str], tuple[str, float]] = {}
        """By user and act: the key of the request that is open, and until when (Unix seconds)."""
        self._questions: dict[str, Approval] = {}

    def __call__(self, tool: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R | InputRequiredResult]]:
        """The tool, which has a ``Context`` among its parameters."""

        @wraps(tool)
        async def waiting(*args: P.args, **kwargs: P.kwargs) -> R | InputRequiredResult:
            context = next((each for each in (*args, *kwargs.values()) if isinstance(each, Context)), None)
            if context is None:
                raise TypeError(f"{tool.__name__} needs a parameter of type Context")
            try:
                return await self._run(_Pages(context, held=self._wait > 0), lambda: tool(*args, **kwargs))
            except RemitError as error:
                raise ToolError(error.for_model()) from error

        return waiting

    async def _run(self, pages: _Pages, tool: Callable[[], Awaitable[R]]) -> R | InputRequiredResult:
        until = 0.0
        while True:
            try:
                with _patient(max(0.0, until - time.monotonic())):
                    result = await tool()
            except ActionRequired as needed:
                if needed.url is None or not pages.can_be_opened:
                    raise
                if not pages.shown(needed):
                    if (instead := await pages.show(needed, needed.url)) is not None:
                        return instead
                    until = time.monotonic() + self._wait
                elif (left := until - time.monotonic()) > 0:
                    await asyncio.sleep(min(_PACE, left))
                else:
                    raise
            except RemitError:
                await pages.done()
                raise
            else:
                await pages.done()
                return result

    async def approved(
        self,
        user: User,
        details: rar.Detail | Sequence[rar.Detail],
        *,
        audience: str | None = None,
        scopes: Sequence[str] = (),
        expires_in: int | None = None,
        message: str | None = None,
    ) -> Grant:
        """Ask the user to approve exactly this, and wait, inside a tool of this elicitation. As ``User.request``, but for
        ``key``: until it is answered and fetched, the same request for the same user is one request, whichever call makes it.

        Raises:
            ApprovalPending: not answered yet; for the tool to let pass.
            MoreInfoRequested: the person asked something first, which reaches the model; ``answer`` has its reply.
            ApprovalDenied, ApprovalExpired: the answer.
            DetailsChanged, NotAllowed, Misconfigured, Unavailable: as ``User.request`` and ``Approval.wait``.
        """
        act = [{"audience": audience, "scopes": sorted(scopes), "message": message}, *rar.as_list(details)]
        name = user.sub, rar.digest(act)
        self._forget()
        again = name in self._asked
        key, _ = self._asked.setdefault(name, (uuid4().hex, time.time() + _FILING))
        try:
            approval = await user.request(
                details, audience=audience, scopes=scopes, key=key, expires_in=expires_in, message=message
            )
            self._asked[name] = key, approval.expires_at or time.time()
            patience = _patience.get()
            if again and patience is not None:
                # The person may have answered just now, and the issuer's pace would not let us look before that.
                patience = max(patience, approval.poll_after + 1.0)
            grant = await approval.wait(patience)
        except MoreInfoRequested:
            self._questions[user.sub] = approval
            raise
        except Refused:
            self._settled(name, key)
            raise
        self._settled(name, key)
        return grant

    async def answer(self, user: User, text: str) -> None:
        """Reply to what the user last asked before they would answer. Calling the tool again then goes on.

        Raises:
            NotAllowed, ApprovalExpired, Misconfigured: as ``Approval.answer``.
        """
        if (approval := self._questions.get(user.sub)) is None:
            raise NotAllowed("no question is open")
        await approval.answer(text)
        if self._questions.get(user.sub) is approval:  # it may have been asked again meanwhile
            del self._questions[user.sub]

    def _settled(self, name: tuple[str, str], key: str) -> None:
        """The next of its kind is another request; one that has begun meanwhile stays."""
        if self._asked.get(name, ("", 0.0))[0] == key:
            del self._asked[name]

    def _forget(self) -> None:
        now = time.time()
        self._asked = {name: (key, until) for name, (key, until) in self._asked.items() if until > now}
        self._questions = {sub: each for sub, each in self._questions.items() if (each.expires_at or 0) > now}


class _Pages:
    """What the client of one call has been asked to open."""

    def __init__(self, context: Context[Any, Any], *, held: bool) -> None:
        self._context, self._held = context, held
        self._shown: tuple[str, str | None] | None = None
        """What for, and the elicitation's identifier where the client knows one."""

    @property
    def can_be_opened(self) -> bool:
        known = self._context.client_capabilities
        return known is not None and known.elicitation is not None and known.elicitation.url is not None

    def shown(self, needed: ActionRequired) -> bool:
        """Whether the person has the page for this open."""
        return self._shown is not None and self._shown[0] == _name(needed)

    async def show(self, needed: ActionRequired, url: str) -> InputRequiredResult | None:
        """Have the person open the page. What to answer the call with instead, or None to wait.

        Raises:
            ToolError: the person would not.
            UrlElicitationRequiredError: the client has to open it and call again.
        """
        await self.done()
        name = _name(needed)
        if is_version_at_least(self._context.protocol_version or "", "2026-07-28"):
            answer = (self._context.input_responses or {}).get(name)
            if answer is None:
                request = ElicitRequest(params=ElicitRequestURLParams(message=needed.sentence, url=url))
                return InputRequiredResult(input_requests={name: request})
            action = getattr(answer, "action", "cancel")  # of another kind of answer there is none
            self._shown = name, None
        else:
            action = await self._ask(name, needed.sentence, url)
        if action != "accept":
            raise ToolError(f"{needed.for_model()} The user chose not to open the page.")
        return None

    async def _ask(self, name: str, message: str, url: str) -> str:
        id_ = uuid4().hex
        required = UrlElicitationRequiredError([ElicitRequestURLParams(message=message, url=url, elicitation_id=id_)])
        if not self._held:
            raise required
        try:
            answer = await self._context.elicit_url(message, url, id_)
        except NoBackChannelError:
            raise required from None
        self._shown = name, id_
        action: str = answer.action
        return action

    async def done(self) -> None:
        """Nothing is left to do on the page: the client is told, where it can be."""
        if self._shown and self._shown[1]:
            await self._context.session.send_elicit_complete(self._shown[1], self._context.request_id)
        self._shown = None


class Tokens:
    """A ``Verifier`` as the SDK's ``token_verifier``: ``MCPServer(..., token_verifier=Tokens(verify, url))``.

    Args:
        url: the MCP endpoint as its clients see it.
    """

    def __init__(self, verify: Verifier, url: str) -> None:
        self._verify, self._url = verify, url

    async def verify_token(self, token: str) -> AccessToken | None:
        """What the SDK may know of a token; None when it is not good here.

        Raises:
            Unavailable: see ``Verifier``.
        """
        try:
            caller = await self._verify(f"Bearer {token}", method="POST", url=self._url)
        except AuthenticationRequired:
            return None
        return AccessToken(
            token=token, client_id=caller.agent, scopes=sorted(caller.scopes), expires_at=int(caller.claims["exp"]),
            resource=self._verify.audience, subject=caller.sub,
        )  # fmt: skip


def _name(needed: ActionRequired) -> str:
    """The same for the same need, whatever link leads to it this time; and nothing that a client could use."""
    known = {name: value for name, value in needed.to_dict().items() if name not in {"url", "expires_at", "poll_after"}}
    return sha256(repr(sorted(known.items())).encode()).hexdigest()[:32]


@contextmanager
def _patient(seconds: float) -> Iterator[None]:
    token = _patience.set(seconds)
    try:
        yield
    finally:
        _patience.reset(token)
