"""Takes the pictures of docs/pictures/ from the pages of a running server.

python -m scripts.pictures
"""

from __future__ import annotations

import asyncio
import json
import struct
import tempfile
import zlib
from pathlib import Path
from urllib.parse import urlencode

from tests.fixtures.asking import ORDER, asked, poll
from tests.fixtures.house import BROKER, request_of
from tests.fixtures.town import Person, Town, chromium_running, town_at

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
PHONE, DESK = (390, 800), (960, 900)
SAYS = "ZEKO fell below the 41.20 USD that you named this morning"


async def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        async with chromium_running() as chromium, town_at(Path(place), chromium) as town:
            await played(town)


async def played(town: Town) -> None:
    """A short day: Ada connects her calendar, approves an order and denies one, and three more wait for her."""
    ada, bob = await town.signed_in(scale=1.5), await town.signed_in("bob")
    await connect(ada)
    for quantity, press in ((5, "Approve"), (900, "Deny")):
        order = await asking(town, quantity)
        await ada.open("/approvals")
        await ada.follow(f"buy {quantity} shares of ZEKO")
        if press == "Deny":
            await ada.page.locator("summary").click()
            await ada.page.get_by_label("Wrong amount").check()
        await ada.press(press)
        town.house.clock.forward(70)
        await poll(town.house, order)
        town.house.clock.forward(480)
    for quantity in (12, 25, 10):
        await asking(town, quantity)
        town.house.clock.forward(40)
    await ada.open("/approvals")
    await picture(ada, "inbox", PHONE)
    await ada.follow("buy 10 shares of ZEKO")
    await ada.may_approve()
    await picture(ada, "approval", PHONE)
    await picture(ada, "approval-dark", PHONE, dark=True)
    await ada.open("/authorize?" + urlencode(consent(town)))
    await picture(ada, "consent", (390, 1010))
    await ada.open("/activity")
    await picture(ada, "activity", PHONE)
    await bob.open("/console")
    await picture(bob, "console", DESK)


async def connect(ada: Person) -> None:
    await ada.open("/accounts")
    await ada.press("Connect Meridian")
    await ada.press("Continue")
    await ada.agree_at_meridian()
    await ada.page.wait_for_url("**/connect/**")


async def asking(town: Town, quantity: int) -> str:
    details = json.dumps([{**ORDER, "quantity": quantity}])
    request: str = (await asked(town.house, authorization_details=details, binding_message=SAYS))["auth_req_id"]
    return request


def consent(town: Town) -> dict[str, str]:
    return request_of(
        "stranger", redirect_uri=f"{town.app.url}/callback", audience=BROKER, prompt="consent",
        scope="openid profile offline_access trade:write portfolio:read",
    )  # fmt: skip


async def picture(person: Person, name: str, size: tuple[int, int], *, dark: bool = False) -> None:
    await person.page.emulate_media(color_scheme="dark" if dark else "light")
    await person.page.set_viewport_size({"width": size[0], "height": size[1]})
    (PICTURES / f"{name}.png").write_bytes(packed(await person.page.screenshot()))


def packed(png: bytes) -> bytes:
    """The same picture, its data compressed as well as zlib can; chunks that say nothing of the picture are left out."""
    chunks, at = [], 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        chunks.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + length]))
        at += length + 12
    data = zlib.compress(zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT")), 9)
    kept = [(b"IHDR", chunks[0][1]), (b"IDAT", data), (b"IEND", b"")]
    return png[:8] + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in kept
    )


if __name__ == "__main__":
    asyncio.run(main())
