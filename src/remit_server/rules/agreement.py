"""Whether what a person agreed to covers what is about to be done in their name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from remit_server.records import Client, Grant, User


def fault(
    grant: Grant | None,
    client: Client,
    user: User,
    *,
    audiences: Iterable[str],
    scopes: Iterable[str],
    details: Iterable[dict[str, Any]] = (),
    unasked: Mapping[str, Iterable[str]],
) -> str | None:
    """The first thing that the agreement does not cover, for the log; None when it covers all.

    `unasked` are audiences, each with its scopes, for which the organisation answers in the person's place.
    """
    if grant is None:
        return "nobody agreed"
    audiences, scopes = set(audiences), set(scopes)
    faults = {
        "revoked": grant.revoked_at is not None,
        "another client's": grant.client_id != client.id,
        "another person's": grant.user_id != user.id,
        "audience": not audiences <= {*grant.audiences, *unasked},
        "scope": not scopes <= {*grant.scopes, *chain.from_iterable(unasked.values())},
        "details": any(detail not in grant.details for detail in details),
    }
    return next((why for why, true in faults.items() if true), None)
