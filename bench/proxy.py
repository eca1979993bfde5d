"""What the vault's proxy adds to a call: `python -m bench.proxy`.

The demo's world, with Remit in a process of its own and its provider on loopback: the same GET, straight to the provider with
a borrowed token, and through the proxy with the agent's own. Turn by turn, so that what else the machine does meets both.
"""

import argparse
import asyncio
import statistics
from collections.abc import Iterator
from urllib.parse import urlsplit

from bench.load import Answer, Flow, Measured, Step, drive
from remit import Client, ConnectRequired
from remit_demo.ada import Ada
from remit_demo.world import AUDIENCE, World, running_world

PATH = "/calendar/events"


def gets(port: int, path: str, token: str) -> Flow:
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        "Accept: application/json\r\n\r\n"
    ).encode()
    while True:
        answer: Answer = yield Step(request, ends=True)
        if answer.status != 200 or b'"events"' not in answer.body:
            raise SystemExit(f"unexpected: {answer.status} {answer.body[:300]!r}")


async def tokens(world: World) -> tuple[str, str]:
    """Of Ada's calendar: the provider's token, and the agent's own for the vault."""
    ada = Ada(world)
    async with Client(world.issuer, "trading-assistant", world.assistant_secret, dpop="off") as client:
        prompt = await client.device_sign_in(scope="openid profile offline_access", audience=AUDIENCE)
        _, user = await asyncio.gather(ada.confirm_device(prompt.verification_uri_complete, prompt.user_code), prompt)
        try:
            await user.token("calendar")
        except ConnectRequired as needed:
            await ada.connect(needed.url or "", None)
        theirs = await user.token("calendar", scopes=["calendar.read"])
        ours = await user.access_token(audience=f"{world.remit}/vault/", scopes=["vault:proxy"])
        await ada.aclose()
        return theirs.reveal(), ours.reveal()


async def turns(world: World, given: argparse.Namespace) -> Iterator[tuple[str, Measured]]:
    theirs, ours = await tokens(world)
    ways = {
        "straight": (urlsplit(world.meridian).port or 0, PATH, theirs),
        "through the vault": (urlsplit(world.remit).port or 0, f"/vault/proxy/calendar{PATH}", ours),
    }
    found = []
    for _ in range(given.rounds):
        for name, (port, path, token) in ways.items():
            flows = [gets(port, path, token) for _ in range(given.connections)]
            measured = await drive(port, flows, warm_up=given.warm_up, seconds=given.seconds, probe=dict)
            found.append((name, measured))
    return iter(found)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.proxy", description="What the proxy adds to a call.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of one measured window (3)")
    parser.add_argument("--warm-up", type=float, default=0.5)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--postgres", action="store_true")
    given = parser.parse_args()
    p50: dict[str, list[float]] = {}
    with running_world(postgres=given.postgres) as world:
        for name, measured in asyncio.run(turns(world, given)):
            middle, tail = measured.percentile(0.5) * 1e3, measured.percentile(0.99) * 1e3
            p50.setdefault(name, []).append(middle)
            print(
                f"{name:18} {measured.operations / measured.seconds:6.0f}/s  p50 {middle:6.2f} ms  p99 {tail:6.2f} ms"
            )
    straight, through = (statistics.median(each) for each in p50.values())
    print(f"the proxy adds {through - straight:.2f} ms p50")


if __name__ == "__main__":
    main()
