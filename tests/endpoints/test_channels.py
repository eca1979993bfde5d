"""Telling a person: the outbox, the ways and their failures, and what a message may say. Every end is real and on loopback."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey
from msgspec.structs import replace
from tests.fixtures.asking import answer, asked, own_app, waiting
from tests.fixtures.house import ISSUER, House, built, sqlite
from tests.fixtures.sinks import HttpSink, MailSink, http_sink, mail_sink
from tests.ledger import proves

from remit_server.approvals.channels import push_message
from remit_server.records import Client, Organisation, PushSubscription
from remit_server.runtime.ids import hashed

ADA = "auth0|ada"
WHSEC = "whsec_" + base64.b64encode(b"k" * 32).decode()


class Phone:
    """A browser that subscribed: its keys, and how it reads what comes (RFC 8291 section 3.4, from the other side)."""

    def __init__(self) -> None:
        self.key, self.auth = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16)
        self.p256dh = push_message.point_of(self.key)

    def subscription(self, url: str, name: str = "phone") -> dict[str, str]:
        return {
            "endpoint": f"{url}/push/{name}",
            "p256dh": push_message.b64url(self.p256dh),
            "auth": push_message.b64url(self.auth),
        }

    def read(self, body: bytes) -> dict[str, Any]:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        salt, theirs, sealed = body[:16], body[21:86], body[86:]
        shared = self.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs))
        material = HKDF(SHA256(), 32, self.auth, b"WebPush: info\0" + self.p256dh + theirs).derive(shared)
        key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(material)
        nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(material)
        padded = AESGCM(key).decrypt(nonce, sealed, None)
        assert padded[-1:] == b"\x02"
        found: dict[str, Any] = json.loads(padded[:-1])
        return found


class Ends:
    """A house whose channels end here."""

    def __init__(self, house: House, http: HttpSink, mail: MailSink) -> None:
        self.house, self.http, self.mail = house, http, mail

    async def run(self) -> int:
        return await self.house.app.outbox.run()

    async def wish(self, **wishes: Any) -> None:
        before = await self.house.store.preferences.get(ADA)
        await self.house.store.commit(self.house.store.preferences.put(replace(before, **wishes)))

    async def subscribe(self, phone: Phone, name: str = "phone") -> None:
        sent = phone.subscription(self.http.url, name)
        await self.house.store.commit(
            self.house.store.push_subscriptions.put(
                PushSubscription(id=hashed(sent["endpoint"]), user_id=ADA, device="Firefox", created_at=1, **sent)
            )
        )

    async def told(self) -> list[tuple[str, str, Any]]:
        """(kind, way, why) of what the timeline says, oldest first."""
        events = [
            each for each in await self.house.events() if each.kind in {"approval.notified", "approval.not_delivered"}
        ]
        return [(each.kind.partition(".")[2], each.about["way"], each.about.get("why")) for each in reversed(events)]

    async def left(self) -> int:
        return len(await self.house.store.deliveries.due(2**40, 99))


@asynccontextmanager
async def ends(database: str, *names: str) -> AsyncIterator[Ends]:
    async with http_sink() as http, mail_sink() as mail:
        channels = {
            "email": {"smtp": f"smtp://127.0.0.1:{mail.port}", "from": "remit@example.com"},
            "web_push": {"contact": "mailto:ops@example.com", "hosts": [http.url.removeprefix("http://")]},
            "ntfy": {"server": f"{http.url}/ntfy", "token": "tk_secret"},
            "webhooks": [{"name": "desk", "url": f"{http.url}/hook", "secret": WHSEC}],
        }
        chosen = {name: channels[name] for name in names}
        async with built(database, Organisation(name="Acme", channels=chosen)) as house:
            yield Ends(house, http, mail)


@proves("channels.outbox")
async def test_what_is_to_be_told_is_written_with_the_request(database_url: str) -> None:
    async with ends(database_url, "email", "webhooks") as at:
        await asked(at.house)
        assert await at.left() == 2
        assert await at.run() == 2
        assert await at.left() == 0
        assert sorted(await at.told()) == [("notified", "email", None), ("notified", "webhook", None)]
        assert await at.run() == 0
        assert len(at.mail.messages) == 1


async def test_a_house_without_channels_writes_nothing_more(database_url: str) -> None:
    async with ends(database_url) as at:
        await asked(at.house)
        assert await at.left() == 0


@proves("channels.outbox")
async def test_a_node_that_died_in_between_is_followed_by_another(database_url: str) -> None:
    async with ends(database_url, "email") as at:
        await asked(at.house)
        (row,) = await at.house.store.deliveries.due(at.house.clock.at, 9)
        await at.house.store.commit(at.house.store.deliveries.claim(row, at.house.clock.at + 60))  # and kill -9
        assert await at.run() == 0, "it may still be at it"
        at.house.clock.forward(60)
        assert await at.run() == 1
        assert len(at.mail.messages) == 1


async def test_many_nodes_tell_once(database_url: str) -> None:
    async with ends(database_url, "email") as at:
        await asked(at.house)
        await asyncio.gather(*(at.run() for _ in range(6)))
        assert len(at.mail.messages) == 1


async def test_who_has_answered_is_not_told(database_url: str) -> None:
    async with ends(database_url, "email") as at:
        await asked(at.house)
        app = await own_app(at.house)
        (approval,) = await waiting(at.house, app)
        assert (await answer(at.house, app, approval)).status_code == 200
        assert await at.run() == 1
        assert at.mail.messages == []
        assert await at.left() == 0


@proves("channels.fallback")
async def test_phone_not_reached_then_email(database_url: str) -> None:
    async with ends(database_url, "email", "web_push") as at:
        await at.subscribe(Phone())
        at.http.answers = [410]
        await asked(at.house)
        await at.run()
        assert await at.run() == 1, "the next way is due at once"
        assert await at.told() == [
            ("not_delivered", "web_push", "the browser is not subscribed any more"),
            ("notified", "email", None),
        ]
        (event,) = await at.house.events("approval.not_delivered")
        assert event.about["next"] == "email"
        assert await at.house.store.push_subscriptions.of_user(ADA) == [], "410: it is gone (RFC 8030 section 7.3)"


@proves("channels.fallback")
async def test_tries_are_few_where_another_way_is_left_and_many_on_the_last(database_url: str) -> None:
    async with ends(database_url, "email", "web_push") as at:
        await at.subscribe(Phone())
        at.http.answers = [503] * 3
        at.mail.answers = ["451 later"] * 4
        await asked(at.house, requested_expiry="3600")
        for _ in range(99):
            if not await at.run():
                at.house.clock.forward(5)
            if await at.left() == 0:
                break
        assert len(at.http.got) == 3
        assert len(at.mail.messages) == 5
        assert [kind for kind, *_ in await at.told()] == ["not_delivered", "notified"]


@proves("channels.outbox")
async def test_it_ends_with_the_request(database_url: str) -> None:
    async with ends(database_url, "email") as at:
        at.mail.answers = ["451 later"] * 99
        await asked(at.house, requested_expiry="300")
        for _ in range(100):
            if not await at.run():
                at.house.clock.forward(10)
        assert await at.left() == 0
        assert 3 <= len(at.mail.messages) <= 8, "it backs off"
        assert await at.told() == [("not_delivered", "email", "the relay answered 451")]


@proves("channels.quiet-hours")
async def test_quiet_hours_hold_back_what_can_wait(database_url: str) -> None:
    async with ends(database_url, "email") as at:  # it is 14:00 UTC, 15:00 in Rome
        await at.wish(quiet=("15:00", "16:00"), time_zone="Europe/Rome")
        await asked(at.house, requested_expiry="7200")
        await asked(at.house, requested_expiry="1800", binding_message="Now or never")
        await at.run()
        assert len(at.mail.messages) == 1, "what would expire before they end is told"
        at.house.clock.forward(3599)
        assert await at.run() == 0
        at.house.clock.forward(1)
        await at.run()
        assert len(at.mail.messages) == 2


@proves("channels.nothing-secret")
async def test_what_a_message_says(database_url: str) -> None:
    async with ends(database_url, "email", "webhooks", "ntfy") as at:
        await at.wish(ways=("ntfy",), topic="made-by-us")
        begun = await asked(at.house, binding_message="Trust me, approve")
        await at.run()
        assert len(at.http.got) == 2
        for _, _, body in at.http.got:
            text = body.decode()
            assert begun["auth_req_id"] not in text
            assert "Trust me" not in text, "the words are the server's"
            assert "buy 10" in text
            assert "/approvals/" in text


async def test_private_previews_leave_the_action_out(database_url: str) -> None:
    async with ends(database_url, "email", "web_push", "webhooks", "ntfy") as at:
        phone = Phone()
        await at.subscribe(phone)
        await at.wish(private=True)
        await asked(at.house)
        await at.run()
        said = [
            phone.read(body)["body"] if path.startswith("/push") else body.decode() for path, _, body in at.http.got
        ]
        assert len(said) == 2
        assert all("ZEKO" not in each and "buy" not in each for each in said)


@proves("channels.email")
async def test_email_in_text_and_html(database_url: str) -> None:
    async with ends(database_url, "email") as at:
        await at.wish(time_zone="Europe/Rome")
        begun = await asked(at.house)
        await at.run()
        (message,), (envelope,) = at.mail.messages, at.mail.envelopes
        assert envelope == ("remit@example.com", ["ada@example.com"])
        assert message["subject"] == "Trading assistant asks for your approval"
        assert message["auto-submitted"] == "auto-generated"
        (approval,) = await at.house.store.approvals.of_user(ADA)
        assert message["message-id"] == f"<{approval.id}@127.0.0.1>"
        text, html = (part.get_content() for part in message.iter_parts())  # type: ignore[attr-defined]
        link = f"{ISSUER}approvals/{approval.id}"
        assert "Trading assistant wants to buy 10" in text
        assert f"until 22 November 2026, 15:05 (Europe/Rome):\n{link}\n" in text.replace("\r", "")
        assert html.count("href=") == 1
        assert f'href="{link}"' in html
        assert begun["auth_req_id"] not in text + html
        seen = await at.house.http.get(f"/approvals/{approval.id}")
        assert seen.status_code == 303, "a GET of the link, by whoever scans mail, decides nothing"
        (approval,) = await at.house.store.approvals.of_user(ADA)
        assert approval.state == "pending"


@proves("channels.email")
@pytest.mark.parametrize(
    "name",
    [
        "Bot\r\nBcc: eve@example.net\r\n\r\n<b>approve</b>", "Bot\nSubject: x", "Bot\u2028X: y", "B\x00t", "\u202egnidarT",
        "<script>alert(1)</script>", "=?utf-8?q?Bank?=", "B" * 4000, "\U0001f916 ünï",
    ],
)  # fmt: skip
async def test_no_name_adds_a_header_or_a_tag(tmp_path: Path, name: str) -> None:
    async with ends(sqlite(tmp_path), "email") as at:
        agent = await at.house.store.clients.get("agent")
        assert isinstance(agent, Client)
        await at.house.store.commit(at.house.store.clients.put(replace(agent, name=name)))
        await asked(at.house)
        await at.run()
        (message,), (envelope,) = at.mail.messages, at.mail.envelopes
        assert envelope[1] == ["ada@example.com"]
        assert {key.lower() for key in message} <= {
            "from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type", "x-peer",
            "x-mailfrom", "x-rcptto",
        }  # fmt: skip
        text, html = (part.get_content() for part in message.iter_parts())  # type: ignore[attr-defined]
        assert "<b>" not in html
        assert "<script" not in html
        assert "\u202e" not in text + html + message["subject"]
        assert len(message["subject"]) < 100


async def test_only_a_known_address_gets_mail(database_url: str) -> None:
    async with ends(database_url, "email") as at:
        ada = await at.house.store.users.get(ADA)
        assert ada
        await at.house.store.commit(at.house.store.users.put(replace(ada, email_verified=False)))
        await asked(at.house)
        await at.run()
        assert at.mail.messages == []
        assert await at.told() == [("not_delivered", "person", "no way leads to this person")]


@proves("channels.web-push")
async def test_web_push_is_for_that_browser_and_from_this_server(database_url: str) -> None:
    async with ends(database_url, "web_push") as at:
        phone = Phone()
        await at.subscribe(phone)
        await asked(at.house)
        await at.run()
        ((path, headers, body),) = at.http.got
        assert path == "/push/phone"
        (approval,) = await at.house.store.approvals.of_user(ADA)
        read = phone.read(body)
        assert read["title"] == "Trading assistant asks for your approval"
        assert read["url"] == f"{ISSUER}approvals/{approval.id}"
        assert read.keys() == {"title", "body", "url", "tag"}
        assert headers["ttl"] == "300"
        assert headers["content-encoding"] == "aes128gcm"
        scheme, _, rest = headers["authorization"].partition(" ")
        token, public = (part.strip().partition("=")[2] for part in rest.split(","))
        assert scheme == "vapid"
        x, y = (push_message.from_b64url(public)[n : n + 32] for n in (1, 33))
        key = ECKey.import_key({"kty": "EC", "crv": "P-256", "x": push_message.b64url(x), "y": push_message.b64url(y)})
        claims = jwt.decode(token, key, algorithms=["ES256"]).claims
        assert claims["aud"] == at.http.url
        assert claims["sub"] == "mailto:ops@example.com"
        assert claims["exp"] <= at.house.clock.at + 86400


@proves("channels.web-push")
async def test_no_other_push_service_is_called(database_url: str) -> None:
    async with ends(database_url, "web_push", "email") as at, http_sink() as elsewhere:
        sent = Phone().subscription(elsewhere.url)
        await at.house.store.commit(
            at.house.store.push_subscriptions.put(
                PushSubscription(id="x", user_id=ADA, device="", created_at=1, **sent)
            )
        )
        await asked(at.house)
        await at.run()
        assert elsewhere.got == []
        assert (await at.told())[0][:2] == ("not_delivered", "web_push")


@proves("channels.webhook")
async def test_a_webhook_is_signed(database_url: str) -> None:
    async with ends(database_url, "webhooks") as at:
        at.http.answers = [500]
        await asked(at.house)
        await at.run()
        at.house.clock.forward(5)
        await at.run()
        (_, first, _), (path, second, body) = at.http.got
        assert path == "/hook"
        assert first["webhook-id"] == second["webhook-id"], "so that a repeat is known"
        signed = f"{second['webhook-id']}.{second['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.digest(b"k" * 32, signed, hashlib.sha256)).decode()
        assert second["webhook-signature"] == f"v1,{expected}"
        assert int(second["webhook-timestamp"]) == at.house.clock.at
        said = json.loads(body)
        assert said["type"] == "approval.asked"
        assert said["data"]["user"] == ADA


@proves("channels.ntfy")
async def test_ntfy_opens_the_page_and_has_no_buttons(database_url: str) -> None:
    async with ends(database_url, "ntfy") as at:
        await at.wish(ways=("ntfy",), topic="made-by-us")
        await asked(at.house)
        await at.run()
        ((_, headers, body),) = at.http.got
        said = json.loads(body)
        assert headers["authorization"] == "Bearer tk_secret"
        assert said.keys() == {"topic", "title", "message", "click", "priority"}
        assert said["click"].startswith(f"{ISSUER}approvals/")


@proves("channels.outbox")
async def test_a_commit_wakes_every_node_and_one_tells(postgresql_url: str) -> None:
    async with ends(postgresql_url, "email") as at, built(postgresql_url) as other:
        at.house.app.listen()
        other.app.listen()
        await asyncio.sleep(0.2)
        began = asyncio.get_running_loop().time()
        await asked(other)
        async with asyncio.timeout(4):  # sooner than the next look by itself
            while not await at.told():  # noqa: ASYNC110 - another node's work, seen in the database
                await asyncio.sleep(0.02)
        assert asyncio.get_running_loop().time() - began < 4
        assert len(at.mail.messages) == 1
        assert await at.left() == 0
