"""What time it is, as conditions are told it."""

from __future__ import annotations

from datetime import UTC, datetime

from remit_server.runtime.clock import Clock


def moment(clock: Clock) -> dict[str, str]:
    """`current_time`, which is ours to say: whoever could say what time it is, would end every embargo."""
    return {"current_time": datetime.fromtimestamp(clock.now(), UTC).isoformat().replace("+00:00", "Z")}
