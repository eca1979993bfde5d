"""Everything that can be raised, as a tree.

RemitError
├── ActionRequired            a person has to do something; then the same call succeeds
│   ├── ConnectRequired       ... connect an account
│   │   └── UserAway          ... come back, or allow its use while they are away
│   ├── ApprovalPending       ... answer a request
│   ├── MoreInfoRequested     ... be told more before they answer
│   ├── StepUpRequired        ... prove again, or more strongly, who they are
│   └── SignInRequired        ... sign in, as there is no live session any more
├── Refused                   final: do not try again
│   ├── ApprovalDenied
│   ├── ApprovalExpired
│   ├── DetailsChanged        the act is not the one that was approved
│   ├── AlreadySpent          the approval has been used
│   └── NotAllowed            a rule, a relation or a policy said no
├── Unavailable               no trustworthy answer; nothing was permitted
├── Misconfigured             the program or its registration is wrong; a developer has to act
└── Challenge                 raised by a Verifier; an API answers with its status and header
    ├── AuthenticationRequired    401
    └── InsufficientScope         403

Each error has four faces. ``str(error)`` is for the log, ``for_user()`` may hold a link, ``for_model()`` never holds a
link or a secret, since what a model reads may be repeated to anybody, and ``to_dict()`` is stable JSON for an interface.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

__all__ = [
    "ActionRequired",
    "AlreadySpent",
    "ApprovalDenied",
    "ApprovalExpired",
    "ApprovalPending",
    "AuthenticationRequired",
    "Challenge",
    "ConnectRequired",
    "DetailsChanged",
    "InsufficientScope",
    "Misconfigured",
    "MoreInfoRequested",
    "NotAllowed",
    "Refused",
    "RemitError",
    "SignInRequired",
    "StepUpRequired",
    "Unavailable",
    "UserAway",
]

_LINK = re.compile(r"(?:[a-z][a-z0-9+.-]*://|www\.)\S+", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


def plain(text: str, limit: int = 300) -> str:
    """Words of another party, made fit to quote: one line, no link, no control or bidi characters, bounded."""
    return _LINK.sub("[link]", _UNPRINTABLE.sub(" ", text)).strip()[:limit]


class RemitError(Exception):
    """The root. Catch it to catch everything that Remit raises on purpose."""

    code: str = "error"
    """Stable, machine-readable name of what happened."""

    sentence: str = "Something went wrong."
    """What happened, for a person. Never a link and never a secret: both ``for_user`` and ``for_model`` begin with it."""

    fields: ClassVar[tuple[str, ...]] = ()
    """The attributes that ``to_dict`` adds."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.sentence)

    def for_user(self) -> str:
        """A sentence for the person, with the link to follow where there is one."""
        return self.sentence

    def for_model(self) -> str:
        """A sentence for a language model: no link, no secret, nothing to act on but the fact."""
        return self.sentence

    def to_dict(self) -> dict[str, Any]:
        """Stable JSON: ``error``, ``message`` and the members named in ``fields`` that are known."""
        known = {name: getattr(self, name) for name in self.fields}
        return {"error": self.code, "message": self.sentence, **{k: v for k, v in known.items() if v is not None}}


class ActionRequired(RemitError):
    """A person has to act. The same call may be made again afterwards."""

    url: str | None = None
    """Where the person does it. For their eyes: it never enters ``for_model``."""

    def for_user(self) -> str:
        return f"{self.sentence} {self.url}" if self.url else self.sentence


class ConnectRequired(ActionRequired):
    """The user has not connected this account, has granted less than is needed, keeps it for other agents, or the provider
    withdrew the grant."""

    code = "connect_required"
    fields = ("connection", "missing_scopes", "url", "reason", "expires_at")

    def __init__(
        self,
        connection: str,
        *,
        url: str | None = None,
        missing_scopes: Sequence[str] = (),
        reason: str = "not_connected",
        expires_at: int | None = None,
    ) -> None:
        self.connection = connection
        self.url = url
        self.missing_scopes = tuple(missing_scopes)
        self.reason = reason
        """``not_connected``, ``missing_scopes``, ``limited``, ``away`` or ``revoked_upstream``."""
        self.expires_at = expires_at
        """Unix seconds at which the link ends."""
        self.sentence = f"The account {plain(connection)!r} {_NEEDS.get(reason, _NEEDS['not_connected'])}."
        super().__init__()


class UserAway(ConnectRequired):
    """The user's sign-in is over, and they have not allowed this agent to use the account while they are away. A task in the
    background waits for them; the link leads to where they can allow it."""

    code = "user_away"

    def __init__(self, connection: str, *, url: str | None = None) -> None:
        super().__init__(connection, url=url, reason="away")


_NEEDS = {
    "not_connected": "has to be connected first",
    "missing_scopes": "has to be opened further first",
    "limited": "is kept for agents of the user's choice, and this one is not among them yet",
    "away": "may not be used while the user is away, unless they allow it",
    "revoked_upstream": "has to be connected again, as the provider has ended the access",
}


class ApprovalPending(ActionRequired):
    """Nobody has answered yet. Keep ``id``; ``client.approval(id)`` takes it up again, in another process too."""

    code = "approval_pending"
    sentence = "This needs an approval that has been asked for and not been given yet."
    fields = ("id", "url", "expires_at", "poll_after")

    def __init__(
        self, approval_id: str, *, url: str | None = None, expires_at: int | None = None, poll_after: int = 5
    ) -> None:
        self.id = approval_id
        self.url = url
        self.expires_at = expires_at
        self.poll_after = poll_after
        """Seconds to let pass before asking again."""
        super().__init__()


class MoreInfoRequested(ActionRequired):
    """The person asked a question back. The request stays open: ``await approval.answer(...)``, then wait again."""

    code = "more_info_requested"
    fields = ("id", "question", "asked_by")

    def __init__(self, approval_id: str, question: str, *, asked_by: str | None = None) -> None:
        self.id = approval_id
        self.question = question
        self.asked_by = asked_by
        self.sentence = f"Before answering, the approver asks: “{plain(question)}”"
        super().__init__()


class StepUpRequired(ActionRequired):
    """The sign-in is too old or too weak for this (RFC 9470)."""

    code = "step_up_required"
    sentence = "This needs a fresh or stronger sign-in."
    fields = ("url", "acr")

    def __init__(self, *, url: str | None = None, acr: str | None = None) -> None:
        self.url = url
        self.acr = acr
        super().__init__()


class SignInRequired(ActionRequired):
    """The user's session with this agent has ended, or never began."""

    code = "sign_in_required"
    sentence = "You have to sign in first."


class Refused(RemitError):
    """Final. Trying again changes nothing."""

    code = "refused"
    sentence = "This was refused."


class ApprovalDenied(Refused):
    """A person said no."""

    code = "approval_denied"
    fields = ("id", "reason", "by")

    def __init__(self, approval_id: str, *, reason: str | None = None, by: str | None = None) -> None:
        self.id = approval_id
        self.reason = reason
        self.by = by
        self.sentence = "The request was denied." + (f" Reason given: “{plain(reason)}”" if reason else "")
        super().__init__()


class ApprovalExpired(Refused):
    """Nobody answered in time, or the request is unknown or has been taken already. Nothing was permitted."""

    code = "approval_expired"
    sentence = "The request was not answered in time, so nothing was done."
    fields = ("id", "expired_at")

    def __init__(self, approval_id: str, *, expired_at: int | None = None) -> None:
        self.id = approval_id
        self.expired_at = expired_at
        super().__init__()


class DetailsChanged(Refused):
    """What is about to be done is not what was asked for or approved: a bug, or an injected instruction."""

    code = "details_changed"
    fields = ("field",)

    def __init__(self, field: str, approved: object = None, actual: object = None) -> None:
        self.field = field
        self.approved = approved
        self.actual = actual
        self.sentence = f"This is not what was approved: {plain(field)!r} differs."
        super().__init__()


class AlreadySpent(Refused):
    """The approval permitted one act, and that act has been done."""

    code = "already_spent"
    sentence = "This approval has been used already."
    fields = ("at", "by")

    def __init__(self, message: str | None = None, *, at: int | None = None, by: str | None = None) -> None:
        self.at = at
        """Unix seconds, where the issuer states when."""
        self.by = by
        """The client id of the API that did it."""
        super().__init__(message)


class NotAllowed(Refused):
    """A rule said no. ``policy`` names it where the server does; ``relation`` and ``object`` where a relation was asked."""

    code = "not_allowed"
    sentence = "This is not allowed."
    fields = ("policy", "relation", "object")

    def __init__(
        self,
        message: str | None = None,
        *,
        policy: str | None = None,
        relation: str | None = None,
        object: str | None = None,  # noqa: A002 (the term of relationship-based access)
    ) -> None:
        self.policy = policy
        self.relation = relation
        self.object = object
        super().__init__(message)


class Unavailable(RemitError):
    """The server could not be reached, is overloaded, or gave an answer that cannot be trusted. Fail closed."""

    code = "unavailable"
    sentence = "The authorization service gave no usable answer, so nothing was done."
    fields = ("retry_after",)

    def __init__(self, message: str | None = None, *, retry_after: int | None = None) -> None:
        self.retry_after = retry_after
        """Seconds, when the server named them."""
        super().__init__(message)


class Misconfigured(RemitError):
    """The program, or its registration at the server, has to be changed. ``oauth_error`` is the server's own code."""

    code = "misconfigured"
    sentence = "This agent is not set up correctly."
    fields = ("oauth_error",)

    def __init__(self, message: str, *, oauth_error: str | None = None) -> None:
        self.oauth_error = oauth_error
        super().__init__(message)


class Challenge(RemitError):
    """An API's answer to a call that may not pass: ``status`` and ``to_header()`` for ``WWW-Authenticate``."""

    status: int = 401
    sentence = "The call was not authorized."

    def __init__(self, message: str | None = None, *, resource_metadata: str | None = None) -> None:
        self.resource_metadata = resource_metadata
        """URL of the API's RFC 9728 document, from which a client learns whom to ask for a token."""
        super().__init__(message)

    def parameters(self) -> dict[str, str]:
        """The auth-params of the challenge, without the scheme."""
        found = {"error": self.code}
        return found | ({"resource_metadata": self.resource_metadata} if self.resource_metadata else {})

    def to_header(self) -> str:
        """The value of ``WWW-Authenticate`` (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728 section 5.1)."""
        return _challenge("Bearer", self.parameters())


class AuthenticationRequired(Challenge):
    """401: no token, or none that is good here. The cause is in ``str(error)`` for the log, not in the answer.

    ``code`` is empty when no credentials came at all: RFC 6750 section 3.1 wants no error code then.
    """

    sentence = "A valid access token is required."

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str = "invalid_token",
        scheme: str = "Bearer",
        algorithms: Sequence[str] = (),
        resource_metadata: str | None = None,
    ) -> None:
        self.code = code
        self.scheme = scheme
        self.algorithms = tuple(algorithms)
        super().__init__(message, resource_metadata=resource_metadata)

    def to_header(self) -> str:
        parameters = {k: v for k, v in self.parameters().items() if v}
        if self.scheme == "DPoP":
            return _challenge("DPoP", parameters | {"algs": " ".join(self.algorithms)})
        return _challenge("Bearer", parameters)


class InsufficientScope(Challenge):
    """403: the token is good, and grants too little. ``scope`` lists everything that the call needs."""

    status = 403
    code = "insufficient_scope"
    sentence = "The access token does not grant what this call needs."
    fields = ("scope",)

    def __init__(self, scope: Sequence[str], *, resource_metadata: str | None = None) -> None:
        self.scope = " ".join(scope)
        super().__init__(f"needs scope: {self.scope}", resource_metadata=resource_metadata)

    def parameters(self) -> dict[str, str]:
        return super().parameters() | {"scope": self.scope}


def _challenge(scheme: str, parameters: dict[str, str]) -> str:
    # A quoted-string ends at a quote and a header at a line break; neither may come from data (RFC 9110 section 5.6.4).
    def quoted(value: str) -> str:
        return re.sub(r'["\\\x00-\x1f\x7f-\U0010ffff]', "", value)

    said = ", ".join(f'{name}="{quoted(value)}"' for name, value in parameters.items())
    return f"{scheme} {said}".rstrip()
