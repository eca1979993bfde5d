"""Which connection a call takes, and when one goes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from remit_server.runtime.kept_connections import KeptConnections

HERE, THERE = "https://here.example:443", "https://there.example:443"


@dataclass(eq=False)
class Fake:
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
def kept() -> KeptConnections[Fake]:
    return KeptConnections[Fake](most=3)


async def several(kept: KeptConnections[Fake], number: int, origin: str = HERE) -> list[Fake]:
    new = [Fake() for _ in range(number)]
    for each in new:
        await kept.put(each, origin)
    return new


async def test_the_one_used_last_is_taken_first_and_by_one_caller(kept: KeptConnections[Fake]) -> None:
    first, second = await several(kept, 2)
    assert [await kept.take(HERE) for _ in range(2)] == [second, first]
    assert await kept.take(HERE) is None


async def test_never_for_another_origin(kept: KeptConnections[Fake]) -> None:
    await several(kept, 1)
    assert await kept.take(THERE) is None


@pytest.mark.parametrize("fault", [{"idle": False}, {"expired": True}])
async def test_one_that_can_take_no_more_is_closed(kept: KeptConnections[Fake], fault: dict[str, bool]) -> None:
    (older,) = await several(kept, 1)
    one = Fake(**fault)
    await kept.put(one, HERE)
    assert one.closed
    assert [await kept.take(HERE) for _ in range(2)] == [older, None]


async def test_one_that_went_while_it_waited_is_closed(kept: KeptConnections[Fake]) -> None:
    first, second = await several(kept, 2)
    second.expired = True
    assert await kept.take(HERE) is first
    assert second.closed


async def test_the_one_that_waits_longest_goes_when_it_has_run_out_or_there_are_too_many(
    kept: KeptConnections[Fake],
) -> None:
    first, second, third = await several(kept, 3)
    (there,) = await several(kept, 1, THERE)
    assert [each.closed for each in (first, second, third, there)] == [True, False, False, False]
    second.expired = True
    await several(kept, 1, THERE)
    assert second.closed
    assert await kept.take(HERE) is third


async def test_closing(kept: KeptConnections[Fake]) -> None:
    waiting = await several(kept, 2) + await several(kept, 1, THERE)
    await kept.aclose()
    assert all(each.closed for each in waiting)
    assert await kept.take(HERE) is None
