"""The whole way of a push, offline: Firefox subscribes on our page, our server sends, Firefox decrypts, our worker shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.fixtures.asking import asked
from tests.fixtures.firefox import Firefox, firefox_running
from tests.fixtures.house import PASSWORD, House, built, sqlite
from tests.fixtures.push_service import PushService, push_service
from tests.interop.live import bound, listening
from tests.ledger import proves

from remit_server.records import Organisation

SIGN_IN = """
const form = document.querySelector("form");
[form.elements.identifier.value, form.elements.password.value] = arguments;
form.querySelector("button").click();
"""
TITLE, SENTENCE = "Trading assistant asks for your approval", "Trading assistant wants to buy 10 shares of ZEKO."
OFF = "document.querySelector('button[data-off]:not([hidden])')"
BUTTON = "document.querySelector('form[data-push] button:not([hidden])')"
TOLD = "return document.querySelector('[role=status]')?.textContent"
SHOWN = """
const registration = await navigator.serviceWorker.ready;
const shown = await registration.getNotifications();
return shown.length && shown.map(({ title, body, data }) => [title, body, data.url]);
"""


@asynccontextmanager
async def subscribed(place: Path) -> AsyncIterator[tuple[House, PushService, Firefox]]:
    """Ada has pressed the button on our page; her browser's push service is on loopback."""
    at, port = bound()
    async with push_service() as service:
        organisation = Organisation(
            name="Acme", channels={"web_push": {"contact": "mailto:ops@example.com", "hosts": [service.place]}}
        )
        preferences = {
            "dom.push.connection.enabled": True,
            "dom.push.serverURL": f"ws://{service.place}/",
            "dom.push.testing.allowInsecureServerURL": True,
            "permissions.default.desktop-notification": 1,  # granted: nobody is there to be asked
            "alerts.useSystemBackend": False,  # nor a desktop to show it
        }
        async with (
            built(sqlite(place), organisation, issuer=f"http://127.0.0.1:{port}/") as house,
            listening(house.app, at),
            firefox_running(place, preferences) as firefox,
        ):
            await firefox.open(f"{house.issuer}devices")
            await firefox.run(SIGN_IN, "ada@example.com", PASSWORD)
            await firefox.wait_for(f"return {BUTTON} !== null")
            await firefox.run(f"{BUTTON}.click()")
            assert await firefox.wait_for(TOLD) == "This device is told from now on."
            yield house, service, firefox


@pytest.mark.browser
@proves("channels.web-push", "interop.firefox")
async def test_firefox_receives_decrypts_and_shows_it(tmp_path: Path) -> None:
    async with subscribed(tmp_path) as (house, service, firefox):
        await asked(house)
        (approval,) = await house.store.approvals.of_user("auth0|ada")
        await house.app.outbox.run()
        (told,) = await house.events("approval.notified")
        assert told.about["way"] == "web_push"
        url = f"{house.issuer}approvals/{approval.id}"
        assert await firefox.wait_for(SHOWN) == [[TITLE, SENTENCE, url]]
        assert [each["code"] for each in service.acknowledged] == [100], "read, and handed to the worker"
        assert service.refused == []
        await firefox.open(f"{house.issuer}devices")
        await firefox.wait_for(f"return {OFF} !== null")
        await firefox.run(f"{OFF}.click()")
        assert await firefox.wait_for(TOLD) == "That device is not told any more."
        assert await house.store.push_subscriptions.of_user("auth0|ada") == []
