"""The browsers in which a person is told: added by the page, told by a push, removed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from playwright.async_api import expect
from tests.endpoints.test_channels import Phone
from tests.fixtures.house import House, built, sqlite
from tests.fixtures.town import chromium_running, town_at
from tests.ledger import proves

from remit_server.records import Organisation

PUSH = {"web_push": {"contact": "mailto:ops@example.com", "hosts": ["push.example:8443"]}}
ENDPOINT = "https://updates.push.services.mozilla.com/wpush/v2/abc"


async def post(house: House, user: str = "ada", **sent: str) -> tuple[int, int]:
    """The status, and how many browsers the person has then."""
    browser = await house.sign_in(user)
    await browser.get("/devices")
    keys = Phone().subscription("https://x")
    form = {"csrf": browser.form.value("csrf"), **keys, "endpoint": ENDPOINT, **sent}
    answer = await browser.post("/devices", form)
    return answer.status_code, len(await house.store.push_subscriptions.of_user(f"auth0|{user}"))


async def test_a_browser_is_added_and_removed(database_url: str) -> None:
    async with built(database_url, Organisation(channels=PUSH)) as house:
        assert await post(house) == (200, 1)
        assert await post(house) == (200, 1), "the same one twice is one"
        assert await post(house, "bob") == (200, 1)
        assert await house.store.push_subscriptions.of_user("auth0|ada") == [], "it is whose it is now"
        bob = await house.sign_in("bob")
        page = await bob.get("/devices")
        assert ENDPOINT not in page.text
        (kept,) = await house.store.push_subscriptions.of_user("auth0|bob")
        ada = await house.sign_in("ada")
        await ada.get("/devices")
        csrf = ada.form.value("csrf") or ""
        assert (await ada.post(f"/devices/{kept.id}", {"csrf": csrf})).status_code == 404
        assert (await ada.post(f"/devices/{kept.id}", {})).status_code == 403
        csrf = bob.form.value("csrf") or ""
        assert (await bob.post(f"/devices/{kept.id}", {"csrf": csrf})).status_code == 200
        assert await house.store.push_subscriptions.of_user("auth0|bob") == []


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example/", "http://169.254.169.254/latest", "https://127.0.0.1:8443/", "http://push.example:8443/x",
        "https://fcm.googleapis.com.evil.example/", "https://evil.example/fcm.googleapis.com", "https://fcm.googleapis.com:444/x",
        "https://x@fcm.googleapis.com/x", "https://evilfcm.googleapis.com.", "file:///etc/passwd", "", "https://push.example/x",
        "https://fcm.googleapis.com/" + "x" * 2000,
    ],
)  # fmt: skip
@proves("channels.web-push")
async def test_endpoints_that_are_no_push_services(tmp_path: Path, endpoint: str) -> None:
    async with built(sqlite(tmp_path), Organisation(channels=PUSH)) as house:
        status, count = await post(house, endpoint=endpoint)
        assert (status, count) == (400, 0)


@pytest.mark.parametrize("endpoint", [ENDPOINT, "https://push.example:8443/x", "https://web.push.apple.com/Q"])
async def test_endpoints_that_are(tmp_path: Path, endpoint: str) -> None:
    async with built(sqlite(tmp_path), Organisation(channels=PUSH)) as house:
        assert await post(house, endpoint=endpoint) == (200, 1)


async def test_no_more_than_ten(tmp_path: Path) -> None:
    async with built(sqlite(tmp_path), Organisation(channels=PUSH)) as house:
        for n in range(10):
            assert await post(house, endpoint=f"{ENDPOINT}{n}") == (200, n + 1)
        assert await post(house, endpoint=f"{ENDPOINT}x") == (409, 10)


@pytest.mark.browser
@proves("channels.web-push")
async def test_a_push_shows_in_a_browser(tmp_path: Path) -> None:
    """Chromium reaches its vendor's push service to subscribe, so the message is delivered by its debugger instead."""
    async with chromium_running() as chromium, town_at(tmp_path, chromium) as town:
        organisation = await town.house.store.organisation.get("organisation")
        assert organisation
        await town.house.store.commit(
            town.house.store.organisation.put(msgspec.structs.replace(organisation, channels=PUSH))
        )
        ada = await town.signed_in()
        await ada.page.context.grant_permissions(["notifications"], origin=town.house.issuer)
        await ada.open("/devices")
        session = await ada.page.context.new_cdp_session(ada.page)
        versions: list[str] = []
        session.on(
            "ServiceWorker.workerRegistrationUpdated",
            lambda sent: versions.extend(r["registrationId"] for r in sent["registrations"]),
        )
        # All that keeps it from being installed is this window, which is a private one.
        installable = await session.send("Page.getInstallabilityErrors")
        assert [each["errorId"] for each in installable["installabilityErrors"]] == ["in-incognito"]
        await session.send("ServiceWorker.enable")
        await expect(ada.button("Tell me on this device")).to_be_visible()
        await ada.press("Tell me on this device")
        await ada.page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
        said = {
            "title": "Trading assistant asks",
            "body": "to buy",
            "url": f"{town.house.issuer}approvals/1",
            "tag": "1",
        }
        shown = None
        for tried in range(100):
            if tried % 20 == 0:  # the debugger delivers to a worker that is up; until then it is lost
                await session.send(
                    "ServiceWorker.deliverPushMessage",
                    {
                        "origin": town.house.issuer.rstrip("/"),
                        "registrationId": versions[-1],
                        "data": msgspec.json.encode(said).decode(),
                    },
                )
            shown = await ada.page.evaluate(
                "navigator.serviceWorker.ready.then(r => r.getNotifications())"
                ".then(all => all.map(n => [n.title, n.body, n.actions.length]))"
            )
            if shown:
                break
            await ada.page.wait_for_timeout(100)
        assert shown == [["Trading assistant asks", "to buy", 0]]
        # The page's own policy, and that a private window of Chromium has no push service: nothing else is said.
        known = ("trusted-types 'none'", "does not support the Push API in incognito mode")
        assert [each for each in ada.findings if not any(map(each.__contains__, known))] == []
