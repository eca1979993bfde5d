"""Web push: to every browser that the person subscribed with, through the push service of its vendor."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from remit_server.approvals.channels.notice import Addressed, Notice, NotReached
from remit_server.approvals.channels.push_message import Sender, b64url, checked_keys, encrypted, new_secret
from remit_server.errors import Conflict, InvalidRequest, NotFound, TemporarilyUnavailable
from remit_server.records import PushSubscription, User
from remit_server.rules.visible import reveal
from remit_server.runtime.ids import hashed
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost

HOSTS: Final = ("fcm.googleapis.com", "push.services.mozilla.com", "push.apple.com", "notify.windows.com")
"""The push services of browsers. A browser names its own, and whoever sits at it can name any: we call no others but those that
the operator adds."""
MOST: Final = 10
"""Subscriptions a person."""
LONGEST_ENDPOINT: Final = 1024
LONGEST_DEVICE: Final = 60
_VAPID_SECONDS: Final = 12 * 3600  # RFC 8292 section 2: 24 hours at most
_SECRET: Final = "web push"  # noqa: S105 - the name of one


def served(endpoint: str, hosts: Iterable[str]) -> bool:
    """Whether an endpoint is at one of these push services, or at a host below one. A port has to be listed, too."""
    place = urlsplit(endpoint).netloc.lower()
    return any(place == host or place.endswith(f".{host}") for host in hosts)


class WebPush:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._sender: Sender | None = None

    async def _configured(self) -> dict[str, Any] | None:
        organisation = await self._machines.store.organisation.get("organisation")
        return organisation.channels.get("web_push") if organisation else None

    async def sender(self) -> Sender | None:
        """Who we are to push services; None where web push is not set up."""
        if await self._configured() is None:
            return None
        if self._sender is None:
            secrets = self._machines.store.secrets
            secret = await secrets.get(_SECRET)
            if secret is None:
                with suppress(Lost):  # another node was first, and its key is everybody's
                    await self._machines.store.commit(secrets.add(_SECRET, new_secret()))
                secret = await secrets.get(_SECRET)
            assert secret is not None
            self._sender = Sender(secret)
        return self._sender

    async def reaches(self, whom: Addressed) -> bool:
        if await self._configured() is None:
            return False
        return bool(await self._machines.store.push_subscriptions.of_user(whom.user.id))

    async def tell(self, whom: Addressed, notice: Notice) -> None:
        """Reached is who is reached in one browser at least."""
        failures, reached = [], False
        for subscription in await self._machines.store.push_subscriptions.of_user(whom.user.id):
            try:
                await self._push(subscription, notice)
                reached = True
            except NotReached as failure:
                failures.append(failure)
        if reached:
            return
        why = failures[0].why if failures else "no browser is subscribed any more"
        raise NotReached(why, for_good=all(failure.for_good for failure in failures))

    async def _push(self, subscription: PushSubscription, notice: Notice) -> None:
        configured, sender = await self._configured(), await self.sender()
        if configured is None or sender is None:
            raise NotReached("web push is not set up any more", for_good=True)
        if not served(subscription.endpoint, (*HOSTS, *configured.get("hosts", ()))):
            raise NotReached("the browser's push service is not one that we call", for_good=True)
        now, parts = self._machines.clock.now(), urlsplit(subscription.endpoint)
        message = {"title": notice.title, "body": notice.sentence, "url": notice.url, "tag": notice.approval_id}
        topic = hashlib.sha256(notice.approval_id.encode()).digest()[:24]
        headers = {
            "Authorization": sender.authorization(
                f"{parts.scheme}://{parts.netloc}", configured["contact"], now + _VAPID_SECONDS
            ),
            "Content-Type": "application/octet-stream",
            "Content-Encoding": "aes128gcm",
            "TTL": str(max(0, notice.expires_at - now)),
            "Urgency": "high",
            "Topic": b64url(topic),  # a second try replaces the first, where that still waits (RFC 8030 section 5.4)
        }
        keys = checked_keys(subscription.p256dh, subscription.auth)
        body = encrypted(msgspec.json.encode(message), *keys)
        try:
            reply = await self._machines.outbound.send(
                "POST", subscription.endpoint, headers=headers, body=body, named=True
            )
        except TemporarilyUnavailable as error:
            raise NotReached("the push service could not be reached") from error
        if reply.status in {404, 410}:  # RFC 8030 section 7.3: the subscription is no more
            await self._drop(subscription)
            raise NotReached("the browser is not subscribed any more", for_good=True)
        if not 200 <= reply.status < 300:
            raise NotReached(f"the push service answered {reply.status}", for_good=reply.status in {400, 403, 413})

    async def _drop(self, subscription: PushSubscription) -> None:
        store = self._machines.store
        event = self._machines.event(
            "notifications.unsubscribed", user=subscription.user_id, subject=subscription.id, why="gone"
        )
        with suppress(Lost):
            await store.commit(store.push_subscriptions.remove(subscription.id, subscription.user_id), events=(event,))

    async def subscribe(
        self, user: User, endpoint: str, p256dh: str, auth: str, *, device: str, address: str = ""
    ) -> None:
        """Tell this person by this browser from now on. Raises `InvalidRequest`, `Conflict`."""
        configured, store = await self._configured(), self._machines.store
        if configured is None:
            raise Conflict("Web push is not set up here.")
        try:
            checked_keys(p256dh, auth)
            self._machines.outbound.check_url(endpoint)
            if len(endpoint) > LONGEST_ENDPOINT or not served(endpoint, (*HOSTS, *configured.get("hosts", ()))):
                raise ValueError("not a push service that we call")  # noqa: TRY301 - refused like the rest
        except (ValueError, TemporarilyUnavailable) as error:
            raise InvalidRequest("This is not a subscription that can be used here.", detail=str(error)) from error
        id_, theirs = hashed(endpoint), await store.push_subscriptions.of_user(user.id)
        if len(theirs) >= MOST and id_ not in {each.id for each in theirs}:
            raise Conflict(f"{MOST} browsers are subscribed already: remove one first.")
        subscription = PushSubscription(
            id=id_, user_id=user.id, endpoint=endpoint, p256dh=p256dh, auth=auth,
            device=reveal(device)[:LONGEST_DEVICE], created_at=self._machines.clock.now(),
        )  # fmt: skip
        event = self._machines.event(
            "notifications.subscribed", user=user.id, subject=id_, address=address, device=subscription.device
        )
        await store.commit(store.push_subscriptions.put(subscription), events=(event,))

    async def unsubscribe(self, user: User, id_: str, *, address: str = "") -> None:
        """Raises `NotFound` when this person has no such browser."""
        store = self._machines.store
        event = self._machines.event("notifications.unsubscribed", user=user.id, subject=id_, address=address)
        try:
            await store.commit(store.push_subscriptions.remove(id_, user.id), events=(event,))
        except Lost as error:
            raise NotFound from error
