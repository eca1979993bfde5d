"""The demo's remit.yaml is one that Remit takes."""

from __future__ import annotations

from pathlib import Path

from remit_demo.world import organisation
from remit_server.management.manifest.read import read

SECRETS = (
    "ADA_PASSWORD", "BOB_PASSWORD", "ASSISTANT_SECRET", "STANDUP_SECRET", "CALENDAR_SECRET", "BROKER_SECRET"
)  # fmt: skip


def test_the_organisation_of_the_demo_is_read(tmp_path: Path) -> None:
    path = organisation(tmp_path, "http://127.0.0.1:9100")
    manifest = read(path, dict.fromkeys(SECRETS, "correct horse battery staple, and a little more"))
    assert [client.id for client in manifest.clients] == ["trading-assistant", "standup-bot", "broker-api"]
    assert [connection.name for connection in manifest.connections] == ["calendar"]
    assert [store.name for store in manifest.relations.stores] == ["documents"]
