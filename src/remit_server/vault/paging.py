"""`from` and `take` of the My Account API's lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from remit_server.rules.connecting import invalid
from remit_server.wire.form import Form

T = TypeVar("T")
MOST = 100


def page(form: Form, items: Sequence[T], key: Callable[[T], str]) -> tuple[Sequence[T], dict[str, Any]]:
    """The items that are asked for, and `next` when there are more. `items` are in the order of `key`. Raises
    `InvalidRequest`."""
    take, after = form.get("take") or str(MOST), form.get("from")
    if not (take.isascii() and take.isdigit() and len(take) < 4 and 1 <= int(take) <= MOST):
        raise invalid(("take", f"must be a number from 1 to {MOST}"))
    left = [item for item in items if after is None or key(item) > after]
    taken = left[: int(take)]
    return taken, {"next": key(taken[-1])} if len(left) > len(taken) else {}
