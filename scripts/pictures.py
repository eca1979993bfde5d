"""Takes the pictures of docs/pictures/ from the pages of a running server.

python -m scripts.pictures
"""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from msgspec.structs import replace
from PIL import Image
from tests.fixtures.asking import ORDER, asked, poll, spend
from tests.fixtures.house import BROKER, request_of
from tests.fixtures.town import Person, Town, chromium_running, town_at
from tests.fixtures.vault import BOB

from remit_server.records import Organisation
from remit_server.storage.contract import Step
from remit_server.vault import connect

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
PHONE, DESK, WIDE = (390, 800), (960, 900), (1280, 760)
SAYS = "ZEKO fell below the 41.20 USD that you named this morning"
REPLY = "You allowed 25 a day in the plan of Monday. Ten would do, too."
CHANNELS = {
    "web_push": {"contact": "mailto:ops@acme.example"},
    "email": {"from": "remit@acme.example", "smtp": "smtp://127.0.0.1:25"},
}


async def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        async with chromium_running() as chromium, town_at(Path(place), chromium) as town:
            await played(town)


async def played(town: Town) -> None:
    """A short day: Ada connects her calendar, approves an order and denies one, asks back, and three more wait for her."""
    await town.house.store.commit(town.house.store.organisation.put(Organisation(name="Acme", channels=CHANNELS)))
    ada, bob, desk = await town.signed_in(scale=1.5), await town.signed_in("bob"), await town.signed_in()
    await accounts(town, ada)
    await answered(town, ada)
    orders = {}
    for quantity in (12, 25, 10):
        orders[quantity] = await asking(town, quantity)
        town.house.clock.forward(40)
    await ada.open("/approvals")
    await ada.follow("buy 25 shares of ZEKO")
    await ada.page.locator(".answers summary").last.click()
    await ada.page.fill("[name=question]", "Why 25? I spoke of ten.")
    await ada.press("Send the question")
    reply = {**town.house.proof("agent"), "auth_req_id": orders[25], "text": REPLY}
    assert (await town.house.http.post("/approvals/reply", data=reply)).status_code == 200
    for person, ending, size in ((ada, "", PHONE), (desk, "-wide", WIDE)):
        await person.open("/approvals")
        await picture(person, f"inbox{ending}", size)
        await person.open("/approvals/history")
        await picture(person, f"history{ending}", (size[0], 480))
        await person.open("/notifications")
        await picture(person, f"notifications{ending}", (size[0], 1180))
        await person.open("/approvals")
        await person.follow("buy 10 shares of ZEKO")
        await person.may_approve()
        await picture(person, f"approval{ending}", size)
    await picture(ada, "approval-dark", PHONE, dark=True)
    await ada.open("/approvals")
    await ada.follow("buy 25 shares of ZEKO")
    await ada.page.get_by_text("Approve less").click()
    await ada.page.get_by_role("textbox", name="Shares").fill("10")
    await ada.page.get_by_text("You would approve").wait_for()
    await ada.may_approve()
    await picture(ada, "approval-less", (390, 1260))
    await ada.open("/authorize?" + urlencode(consent(town)))
    await picture(ada, "consent", (390, 1010))
    await ada.open("/activity")
    await picture(ada, "activity", (390, 620))
    await bob.open("/console")
    await picture(bob, "console", DESK)
    while town.people:  # an open inbox would keep the server
        await town.people.pop().close()


async def answered(town: Town, ada: Person) -> None:
    """One order is approved and carried out, one denied."""
    for quantity, press in ((5, "Approve"), (900, "Deny")):
        order = await asking(town, quantity)
        await ada.open("/approvals")
        await ada.follow(f"buy {quantity} shares of ZEKO")
        if press == "Deny":
            await ada.page.locator(".answers summary").first.click()
            await ada.page.get_by_label("Wrong amount").check()
        await ada.press(press)
        town.house.clock.forward(70)
        token = (await poll(town.house, order)).json().get("access_token")
        if token:
            await spend(town.house, token, {**ORDER, "quantity": quantity})
        town.house.clock.forward(480)


async def accounts(town: Town, ada: Person) -> None:
    """The assistant asks for her calendar, and later for more of it; a second account is connected by hand."""
    may = {"calendar": ("calendar.read", "calendar.write")}
    agent = await town.house.store.clients.get("agent")
    user = await town.house.store.users.get("auth0|ada")
    assert agent is not None
    assert user is not None
    agent = replace(agent, connections=may)
    await town.house.store.commit(town.house.store.clients.put(agent))
    for scopes in (("calendar.read",), may["calendar"]):
        begun = await connect.begin(town.house.machines, user, "calendar", client=agent, scopes=scopes)
        await ada.open(f"/connect?ticket={begun.ticket}")
        if len(scopes) == 1:
            await ada.page.get_by_label("Also while I am away").check()
        else:
            await picture(ada, "connect", (390, 900))
        await ada.press("Continue")
        await ada.agree_at_meridian()
        town.house.clock.forward(3600)
    await town.house.store.commit(*(await used(town)))
    await ada.open("/accounts")
    await ada.press("Add Meridian")
    await ada.press("Continue")
    await ada.agree_at_meridian(BOB)
    await ada.open("/accounts")
    await picture(ada, "accounts", (390, 930))
    await picture(ada, "accounts-dark", (390, 930), dark=True)


async def used(town: Town) -> list[Step]:
    """What a use of her account by the assistant leaves behind."""
    store, at = town.house.store, town.house.clock.now() - 720
    (lending,) = await store.lendings.of_user("auth0|ada")
    return [store.lendings.use(lending, at), store.connected_accounts.touch(lending.account_id, at, "agent")]


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
    """The same picture in 256 colours, which is all that a page needs. Pillow comes with matplotlib."""
    small = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(small, "PNG", optimize=True)
    return small.getvalue()


if __name__ == "__main__":
    asyncio.run(main())
