"""Who calls an API of ours: the access token in the Authorization header, and its key where it is bound to one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from remit_server.errors import InsufficientScope, InvalidDpopProof, InvalidToken, UseDpopNonce
from remit_server.records import Client, Token, User
from remit_server.rules.dpop import ALGORITHMS
from remit_server.runtime.ids import hashed
from remit_server.runtime.machines import Machines
from remit_server.runtime.verify import Dead
from remit_server.storage.groups.agreements import Held
from remit_server.wire import dpop
from remit_server.wire.http import Request


@dataclass(frozen=True)
class Caller:
    """A live access token, the client that holds it, and the person it is for."""

    token: Token
    client: Client
    user: User | None


async def caller(
    request: Request, machines: Machines, *, audience: str | None = None, scopes: Iterable[str] = (),
    held: Callable[[str], Awaitable[Held | None]] | None = None,
) -> Caller:  # fmt: skip
    """The caller. Raises `InvalidToken` (401) or `InsufficientScope` (403), each with its challenge (RFC 6750 section 3).

    `audience` must be one of the token's; `scopes` must all be there. `held` reads the token with this hash for whoever needs
    more of the same read.
    """
    header = request.header("authorization")
    if header is None:
        raise _refused(InvalidToken("An access token is needed."), bare=True)
    scheme, _, value = header.partition(" ")
    value = value.strip()
    if scheme.lower() not in {"bearer", "dpop"} or not value:
        raise _refused(InvalidToken("Use the Bearer or the DPoP scheme."), bare=True)
    live = await machines.verify.judged(await (held or machines.store.tokens.held)(hashed(value)), kind="access")
    if isinstance(live, Dead):
        raise _refused(InvalidToken(detail=live.why))
    token = live.token
    needs = "DPoP" if token.jkt else "Bearer"  # the challenge names the scheme that would do (RFC 9449 section 7.1)
    if audience is not None and audience not in token.audiences:
        raise _refused(InvalidToken(detail=f"the token is for {token.audiences}"), scheme=needs)
    if scheme.lower() != needs.lower():
        raise _refused(
            InvalidToken("The token is bound to a key: use the DPoP scheme with a proof." if token.jkt else None),
            scheme=needs,
        )
    if token.jkt is not None:
        await _hold_key(request, machines, token, value)
    if not live.person_is_active:
        raise _refused(InvalidToken(detail="the user is gone or blocked"), scheme=needs)
    missing = [scope for scope in scopes if scope not in token.scopes]
    if missing:
        needed = " ".join(scopes)
        raise InsufficientScope(
            headers={"WWW-Authenticate": f'{needs} error="insufficient_scope", scope="{needed}"'},
            members={"scope": needed},
        )
    return Caller(token, live.client, live.user)


async def person(request: Request, machines: Machines, *, scopes: Iterable[str]) -> tuple[Caller, User]:
    """The caller of the API for a person's own account, and the person. Raises as `caller`."""
    who = await caller(request, machines, audience=machines.settings.url("/me/"), scopes=scopes)
    if who.user is None:
        raise _refused(InvalidToken("The access token stands for no person."))
    return who, who.user


async def _hold_key(request: Request, machines: Machines, token: Token, value: str) -> None:
    try:
        shown = await dpop.proven_key(request, machines, access_token=value)
    except InvalidDpopProof as error:
        raise _refused(InvalidToken(error.text), scheme="DPoP", code="invalid_dpop_proof") from error
    except UseDpopNonce as error:  # at a resource it is a 401 with a challenge (RFC 9449 section 9)
        raise _refused(InvalidToken(error.text, headers=error.headers), scheme="DPoP", code=error.code) from error
    if shown != token.jkt:
        raise _refused(InvalidToken("The proof's key is not the key that the token is bound to."), scheme="DPoP")


def _refused(
    error: InvalidToken, *, bare: bool = False, scheme: str = "Bearer", code: str | None = None
) -> InvalidToken:
    """With its challenge. Without credentials the challenge carries no error code (RFC 6750 section 3.1)."""
    algs = f' algs="{" ".join(ALGORITHMS)}"' if scheme == "DPoP" else ""
    error.headers["WWW-Authenticate"] = (
        scheme + algs if bare else f'{scheme} error="{code or error.code}"' + (algs and f",{algs}")
    )
    return error
