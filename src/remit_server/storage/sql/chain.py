"""The hash chain over events: hash = SHA-256(hash before | seq, 8 bytes big-endian | body). Seq counts from 1 without gaps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from remit_server.errors import IntegrityError
from remit_server.records.event import Event
from remit_server.storage.sql import tables
from remit_server.storage.sql.statements import Insert, Select, Update


class Head(NamedTuple):
    """The end of the chain."""

    seq: int
    hash: bytes


# Changes nothing but takes the row's lock: the last lock of a transaction, so batches of several processes queue here and
# nowhere else.
TAKE_HEAD = Update(tables.CHAIN, set="seq = seq", where="id = :id", returning=("seq", "hash"))
# The last of the events added moves the head, if it is where they were linked to; else nothing is added.
ADD = Insert(
    tables.EVENTS,
    types={"head_seq": "int", "head_hash": "blob"},
    after=Update(
        tables.CHAIN,
        set="seq = :seq, hash = :hash",
        where="chain.id = 1 AND chain.seq = :head_seq AND chain.hash = :head_hash",
        types={"head_hash": "blob"},
    ),
)
HEAD = Select(tables.CHAIN, where="chain.id = :id")
PAGE = Select(tables.EVENTS, where="seq > :after", tail="ORDER BY seq LIMIT 2000", types={"after": "int"})

UNLINKED: Final = "where the chain ends are events that nobody linked to it"

encode = msgspec.json.Encoder(order="deterministic").encode
decode = msgspec.json.Decoder(Event).decode


def digest(before: bytes, seq: int, body: bytes) -> bytes:
    """The hash of one event."""
    return hashlib.sha256(before + seq.to_bytes(8, "big") + body).digest()


def link(head: Head, events: Iterable[Event]) -> tuple[list[dict[str, Any]], Head]:
    """Rows for `events`, linked to the head, and the head that the last of them makes."""
    rows: list[dict[str, Any]] = []
    seq, hash_ = head
    for event in events:
        seq += 1
        body = encode(event)
        hash_ = digest(hash_, seq, body)
        rows.append(
            {
                "seq": seq,
                "id": event.id,
                "at": event.at,
                "kind": event.kind,
                "user_id": event.actor.user,
                "client_id": event.actor.client,
                "subject": event.subject,
                "hash": hash_,
                "body": body,
                "head_seq": None,
                "head_hash": None,
            }
        )
    rows[-1].update(head_seq=head.seq, head_hash=head.hash)
    return rows, Head(seq, hash_)


def octets(row: Mapping[str, Any], column: str) -> bytes:
    """The bytes in a column of an event. Raises `IntegrityError` where somebody left a text instead, which SQLite takes."""
    if not isinstance(value := row[column], bytes):
        raise IntegrityError(f"event {row['seq']} was changed: its {column} is not made of bytes any more")
    return value


def check(before: bytes, seq: int, rows: Sequence[Any]) -> tuple[bytes, int]:
    """Follow the chain over rows in order; the last hash and seq. Raises `IntegrityError` naming the first bad event."""
    for row in rows:
        seq += 1
        if row["seq"] != seq:
            raise IntegrityError(f"event {seq} is missing: the next one there is {row['seq']}")
        before = digest(before, seq, octets(row, "body"))
        if before != row["hash"]:
            raise IntegrityError(f"event {seq} was changed, or follows another event than it did when it was written")
        try:
            event = decode(row["body"])
        except msgspec.MsgspecError as error:
            raise IntegrityError(f"event {seq} is not an event") from error
        shown = (event.id, event.at, event.kind, event.actor.user, event.actor.client, event.subject)
        if shown != (row["id"], row["at"], row["kind"], row["user_id"], row["client_id"], row["subject"]):
            raise IntegrityError(f"event {seq}: its columns do not say what its body says")
    return before, seq
