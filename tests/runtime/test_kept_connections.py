"""Which connection a call takes, and when one goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpcore2
import pytest

from remit_server.runtime.kept_connections import KeptConnections

HERE, THERE = httpcore2.Origin(b"https", b"here.example", 443), httpcore2.Origin(b"https", b"there.example", 443)


@dataclass(eq=False)
class Fake:
    origin: httpcore2.Origin
    idle: bool = True
    expired: bool = False
    closed: bool = False

    def is_idle(self) -> bool:
        return self.idle

    def has_expired(self) -> bool:
        return self.expired

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture
def kept() -> Any:
    return KeptConnections(Fake, most=3)  # type: ignore[arg-type]


async def several(kept: Any, number: int, origin: httpcore2.Origin = HERE) -> list[Fake]:
    taken = [await kept.take(origin) for _ in range(number)]
    for each in taken:
        await kept.put(each, origin)
    return taken


async def test_the_one_used_last_is_taken_first_and_by_one_caller(kept: Any) -> None:
    first, second = await several(kept, 2)
    assert [await kept.take(HERE) for _ in range(2)] == [second, first]
    assert await kept.take(HERE) not in {first, second}


async def test_never_for_another_origin(kept: Any) -> None:
    (here,) = await several(kept, 1)
    there = await kept.take(THERE)
    assert there is not here
    assert there.origin is THERE


@pytest.mark.parametrize("fault", [{"idle": False}, {"expired": True}])
async def test_one_that_can_take_no_more_is_closed(kept: Any, fault: dict[str, bool]) -> None:
    taken = await kept.take(HERE)
    for name, value in fault.items():
        setattr(taken, name, value)
    await kept.put(taken, HERE)
    assert taken.closed
    assert await kept.take(HERE) is not taken


async def test_one_that_went_while_it_waited_is_closed(kept: Any) -> None:
    first, second = await several(kept, 2)
    second.expired = True
    assert await kept.take(HERE) is first
    assert second.closed


async def test_the_one_that_waits_longest_goes_when_it_has_run_out_or_there_are_too_many(kept: Any) -> None:
    first, second, third = await several(kept, 3)
    (there,) = await several(kept, 1, THERE)
    assert [each.closed for each in (first, second, third, there)] == [True, False, False, False]
    second.expired = True
    await several(kept, 1, THERE)
    assert second.closed
    assert await kept.take(HERE) is third


async def test_closing(kept: Any) -> None:
    waiting = await several(kept, 2) + await several(kept, 1, THERE)
    await kept.aclose()
    assert all(each.closed for each in waiting)
    assert await kept.take(HERE) not in waiting
