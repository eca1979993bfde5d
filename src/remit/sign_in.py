"""Pillar 1, from the agent's side: whose token is this, and how a person signs in from a terminal (RFC 8628)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from . import jose
from .dpop import ProofKey
from .errors import NotAllowed, SignInRequired, Unavailable
from .poll import Poll
from .server import Answer, OAuthRefusal, Server
from .session import Rotated, Session
from .single_flight import SingleFlight
from .tokens import Token
from .user import User

_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

MakeUser = Callable[[Session, Mapping[str, Any], frozenset[str]], User]


class SignIn:
    """A sign-in that waits for its person. Show the link, then await it: ``user = await prompt``."""

    def __init__(
        self,
        server: Server,
        answer: Mapping[str, Any],
        *,
        key: ProofKey | None,
        on_rotate: Rotated | None,
        make: MakeUser,
    ) -> None:
        now = server.clock.now()
        self.user_code = str(answer["user_code"])
        """What the person types at ``verification_uri``."""
        self.verification_uri = str(answer["verification_uri"])
        self.verification_uri_complete = str(answer.get("verification_uri_complete") or answer["verification_uri"])
        """The same page with the code filled in: for a link or a QR code."""
        self.expires_at = int(now) + int(answer["expires_in"])
        """Unix seconds."""
        self._server = server
        self._key = key
        self._on_rotate = on_rotate
        self._make = make
        self._device_code = str(answer["device_code"])
        self._user: User | None = None
        self._flight: SingleFlight[User] = SingleFlight()
        interval = answer.get("interval", 5)
        self._poll = Poll(
            self._ask,
            interval=interval if isinstance(interval, int) else 5,
            deadline=self.expires_at,
            clock=server.clock,
        )

    def __await__(self) -> Generator[Any, None, User]:
        return self.wait().__await__()

    def __repr__(self) -> str:
        return f"SignIn({self.verification_uri}, user_code={self.user_code})"

    async def wait(self) -> User:
        """Wait until the person has signed in.

        Raises:
            NotAllowed: they, or the server, said no.
            SignInRequired: the code ran out.
            Unavailable: an answer that cannot be trusted.
        """
        if self._user is None:
            self._user = await self._flight("sign-in", self._finish)
        return self._user

    async def _ask(self, wait: int) -> Answer:
        form = {"grant_type": _GRANT, "device_code": self._device_code}
        return await self._server.post("token_endpoint", form, key=self._key, wait=wait)

    async def _finish(self) -> User:
        answer = await self._poll.settle()
        if answer is None or (isinstance(answer, OAuthRefusal) and answer.error == "expired_token"):
            raise SignInRequired("the code ran out before anybody signed in")
        if isinstance(answer, OAuthRefusal):
            raise answer.as_error()
        token = self._server.token(answer, self._key)
        return await user_of(self._server, answer, token, key=self._key, on_rotate=self._on_rotate, make=self._make)


async def start(
    server: Server,
    *,
    scope: str,
    audience: str | None,
    key: ProofKey | None,
    on_rotate: Rotated | None,
    make: MakeUser,
) -> SignIn:
    """Ask for a device code."""
    scopes = " ".join(dict.fromkeys(["openid", *scope.split()]))
    answer = await server.post("device_authorization_endpoint", {"scope": scopes, "audience": audience}, key=key)
    if isinstance(answer, OAuthRefusal):
        raise answer.as_error()
    try:
        return SignIn(server, answer, key=key, on_rotate=on_rotate, make=make)
    except (KeyError, TypeError, ValueError) as cause:
        raise Unavailable("the device authorization answer is incomplete") from cause


async def user_of(
    server: Server,
    answer: Mapping[str, Any],
    token: Token,
    *,
    key: ProofKey | None,
    on_rotate: Rotated | None,
    make: MakeUser,
) -> User:
    """The user in a successful token answer; known by its ID token, or else by its access token."""
    id_token, refresh = answer.get("id_token"), answer.get("refresh_token")
    try:
        if isinstance(id_token, str):
            claims = await server.identity(id_token)
        else:
            claims = await server.access(token.reveal())
    except jose.BadToken as cause:
        raise Unavailable(f"the token endpoint's answer does not hold: {cause}") from None
    session = Session(
        server, key=key, access=token, refresh=refresh if isinstance(refresh, str) else None, on_rotate=on_rotate
    )
    return make(session, claims, token.scopes)


async def recognise(server: Server, token: str, audience: str | None) -> Mapping[str, Any]:
    """The claims of an access token that somebody brought, once it is certain that it was meant for this agent.

    A token that another API received is good, and not ours to act on (the confused deputy): it must have been issued to this
    client, or for the API that this client is.

    Raises:
        SignInRequired: it does not hold, or is not for us.
        Unavailable: the issuer's keys cannot be had.
    """
    try:
        claims = await server.access(token)
    except jose.BadToken as cause:
        raise SignInRequired(f"the user's token does not hold: {cause}") from None
    stated = claims.get("aud")
    audiences = [stated] if isinstance(stated, str) else stated if isinstance(stated, list) else []
    if claims.get("client_id") != server.client_id and (audience is None or audience not in audiences):
        raise NotAllowed("the user's token was issued neither to this client nor for its API")
    return claims
