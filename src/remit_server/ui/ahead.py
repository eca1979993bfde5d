"""What a person may allow ahead with their yes, as fields; and what they chose there, as an allowance to give.

The fields start at the narrowest that is of any use: this kind, everything else as it is here, five times within a week.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from remit_server.approvals.ahead import Remember
from remit_server.errors import InvalidDetails, InvalidRequest
from remit_server.records import Approval, DetailType
from remit_server.rules.answering import may_be_remembered
from remit_server.rules.details import canonical, moment
from remit_server.rules.enforcing import Mode, modes_of
from remit_server.rules.reading import at, formatted, money, values_of
from remit_server.ui.editing import major, minor, whole
from remit_server.ui.views.approvals import Ahead, Option
from remit_server.wire.form import Form

DAYS: Final = {1: "24 hours", 7: "7 days", 30: "30 days", 90: "90 days"}
TIMES: Final = 5
_FREE: Final = frozenset({"pattern", "enum", "const", "$ref"})


def offered(approval: Approval, types: Mapping[str, DetailType], now: int, sent: Form | None = None) -> Ahead | None:
    """The fields; None where nothing of this can be allowed ahead. `sent` is what the person typed, when it could not be taken."""
    kind = may_be_remembered(approval, types)
    moved = _moved(approval, kind) if kind else None
    if kind is None or (moved is None and "amount" in kind.document["allowance"]):
        return None
    amount, currency = moved or (0, None)
    again = sent is not None and sent.has("remember")

    def typed(name: str, first: str) -> str:
        return (sent.get(name) or "") if sent is not None and sent.has(name) else first

    ends = {str(now + days * 86400): label for days, label in DAYS.items()}
    chosen = sent.get("ahead_until") if sent is not None and again else str(now + 7 * 86400)
    if chosen not in ends:  # of the page that was sent: a little earlier than those of now
        chosen = min(ends, key=lambda end: abs(int(end) - _number(chosen)))
    return Ahead(
        ends=tuple(Option(value=end, label=label, chosen=end == chosen) for end, label in ends.items()),
        times=typed("ahead_times", str(TIMES)),
        currency=currency,
        each=typed("ahead_each", major(amount, currency) if currency else ""),
        total=typed("ahead_total", major(amount * TIMES, currency) if currency else ""),
        limits=tuple(
            Option(value=f"limit.{name}", label=label, chosen=sent.has(f"limit.{name}") if sent and again else narrow)
            for name, label, narrow in _limits(approval, kind)
        ),
        open=again,
    )


def remembered(approval: Approval, form: Form, types: Mapping[str, DetailType]) -> Remember | None:
    """What the person allows ahead; None when they did not tick that. Raises `InvalidRequest`.

    Its end is a moment that the page offered, so whoever reads the same form later reads the same allowance.
    """
    if not form.has("remember"):
        return None
    kind = may_be_remembered(approval, types)
    if kind is None:
        raise InvalidRequest("What is asked here cannot be allowed ahead.")
    moved = _moved(approval, kind)
    currency = moved[1] if moved else None
    named = {name for name, _, _ in _limits(approval, kind) if form.has(f"limit.{name}")}
    try:
        times = whole(form.get("ahead_times") or "")
        each, total = (
            minor(form.get(name) or "", currency) if currency else 0 for name in ("ahead_each", "ahead_total")
        )
    except InvalidDetails as error:
        raise InvalidRequest(f"What you allow ahead needs bounds: {error.text}") from error
    return Remember(
        times=times, expires_at=_number(form.get("ahead_until")), per_act=each, total=total, currency=currency,
        limits={name: approval.details[0][name] for name in sorted(named)},
    )  # fmt: skip


def limit_told(name: str, limit: Any, kind: DetailType) -> str:
    """A limit in words: `Ticker: ZEKO`, `Recipients: only among a@example.com, b@example.com`."""
    mode: Mode = modes_of(kind).get(name, "equal")
    before = {"at_most": "at most ", "at_least": "at least ", "subset": "only among "}.get(mode, "")
    return f"{name.replace('_', ' ').capitalize()}: {before}{_value(limit)}"


def _limits(approval: Approval, kind: DetailType) -> Iterator[tuple[str, str, bool]]:
    """Members that may have to stay, with their words, and whether they should at first: free text would never come again."""
    first, *others = approval.details
    counted = _counted(kind)
    for name, mode in modes_of(kind).items():
        value = first.get(name)
        same = all(canonical(other.get(name)) == canonical(value) for other in others)
        passing = mode == "within" or (isinstance(value, str) and moment(value))
        if value is None or not same or passing or name in counted or name in kind.document.get("multiline", ()):
            continue
        schema = kind.document["schema"]["properties"].get(name, {})
        free = isinstance(value, str) and not _FREE & schema.keys()
        yield name, limit_told(name, value, kind), not free


def _counted(kind: DetailType) -> frozenset[str]:
    """Members that make the amount, which has bounds of its own."""
    path = kind.document["allowance"].get("amount", "")
    rule = kind.document.get("derived", {}).get(path, {})
    return frozenset(each.partition(".")[0] for each in (path, *rule.get("product", ())))


def _moved(approval: Approval, kind: DetailType) -> tuple[int, str] | None:
    """What the request moves, in minor units, where it is of one currency."""
    path = kind.document["allowance"].get("amount")
    sums = [at(values_of(detail, kind), path) for detail in approval.details] if path else []
    currencies = {each["currency"] for each in sums}
    return (sum(each["amount"] for each in sums), currencies.pop()) if len(currencies) == 1 else None


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        if value.keys() == {"amount", "currency"}:
            return money(value["amount"], value["currency"])
        return ", ".join(_value(each) for each in value.values())
    return formatted(value, "number" if isinstance(value, int) else None)


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= 12 else 0
