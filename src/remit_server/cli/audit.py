"""`remit audit verify`, `remit audit export` and `remit audit show`"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Final

import click
import msgspec

from remit_server.approvals import story
from remit_server.approvals.story import Story, Verdict
from remit_server.cli.place import Place, with_place
from remit_server.errors import ConfigurationError, IntegrityError
from remit_server.records import Event
from remit_server.records.event import KINDS
from remit_server.rules.visible import reveal


@click.group()
def command() -> None:
    """Verify and export the trail."""


@command.command()
@with_place
def verify(place: Place) -> None:
    """Follow the chain of events from the first to the last; exit code 2 where it does not hold.

    Keep the head that this prints in another place: with it you can tell later that nothing before it was rewritten.
    """

    async def run() -> None:
        async with place.store() as store:
            verified = await store.trail.verify()
            click.echo(f"{verified.count} events, each linked to the one before. Head: {verified.head}")

    asyncio.run(run())


@command.command()
@click.option("--out", type=click.File("wb"), default="-", help="A file instead of standard output.")
@with_place
def export(place: Place, out: IO[bytes]) -> None:
    """Write the trail as JSON lines: `seq`, `hash` and the event. Stops with exit code 2 at the first bad link."""

    async def run() -> int:
        count = 0
        async with place.store() as store:
            async for seq, event, hash_ in store.trail.everything():
                line = {"seq": seq, "hash": hash_.hex(), **msgspec.to_builtins(event)}
                out.write(msgspec.json.encode(line) + b"\n")
                count += 1
        return count

    try:
        count = asyncio.run(run())
    except IntegrityError:
        out.flush()
        raise
    click.echo(f"{count} events", err=True)


@command.command()
@click.argument("approval", required=False)
@click.option("--json", "as_json", is_flag=True, help="The story and what was verified, as JSON.")
@click.option(
    "--export", "out", type=click.File("wb"), help="Write the story to a file that verifies without the database."
)
@click.option("--file", "given", type=click.File("rb"), help="Verify such a file. No database is opened.")
@with_place
def show(place: Place, approval: str | None, *, as_json: bool, out: IO[bytes] | None, given: IO[bytes] | None) -> None:
    """Tell the story of one APPROVAL and verify it: details, digests, the proof's signature, and the chain of events.

    Says what was verified and what cannot be. Exit code 2 where anything does not hold.
    """
    if (approval is None) == (given is None):
        raise ConfigurationError("name an approval, or a --file with the story of one")
    chained, told = (None, _read(given)) if given else asyncio.run(_stored(place, approval or ""))
    verdict = story.judge(told)
    if chained is not None:
        verdict = msgspec.structs.replace(verdict, holds=(chained, *verdict.holds))
    if out:
        out.write(msgspec.json.format(msgspec.json.encode(told)) + b"\n")
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode({"story": told, "verdict": verdict})))
    else:
        # Whoever wrote the file chose its words: none of them may move the cursor, or begin a line of ours.
        click.echo("\n".join(map(reveal, _lines(told, verdict))))
    if verdict.faults:
        raise IntegrityError(reveal(f"the story of approval {told.id} does not hold: {verdict.faults[0]}"))


async def _stored(place: Place, approval: str) -> tuple[str, Story]:
    """What is said of the chain as a whole, and the story."""
    async with place.store() as store:
        verified = await store.trail.verify()
        return f"the chain of all {verified.count} events, to its head {verified.head}", await story.read(
            store, approval
        )


def _read(given: IO[bytes]) -> Story:
    try:
        return msgspec.json.decode(given.read(), type=Story)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"this is not the story of an approval: {error}") from error


_TOLD: Final = frozenset({"details", "digest"})
"""Stand above, and are not repeated with the event."""


def _lines(told: Story, verdict: Verdict) -> Iterator[str]:
    yield f"Approval {told.id}: {told.state}, risk {told.risk}"
    yield f"{told.client} ({told.client_id}) asked {told.person} ({told.user_id})"
    yield from ("", f"Asked  {told.digest}")
    yield from _indented(told.details)
    if told.approved and told.approved_digest != told.digest:
        yield from ("", f"Approved  {told.approved_digest}")
        yield from _indented(told.approved)
        yield from (f"    {change}" for change in told.changes)
    yield from ("", "What happened")
    for link in told.events:
        yield _line(link.seq, link.event)
    for title, lines in (("Verified", verdict.holds), ("WRONG", verdict.faults), ("Cannot be verified", verdict.open)):
        if lines:
            yield from ("", title)
            yield from (f"  - {line}" for line in lines)


def _line(seq: int, event: Event) -> str:
    at = datetime.fromtimestamp(event.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    about = ", ".join(
        f"{name}={msgspec.json.encode(value).decode()}"
        for name, value in sorted(event.about.items())
        if name not in _TOLD and value not in (None, [], "")
    )
    return f"  {at}  #{seq}  {KINDS[event.kind]}{f' ({about})' if about else ''}"


def _indented(details: tuple[object, ...]) -> Iterator[str]:
    for line in msgspec.json.format(msgspec.json.encode(details)).decode().splitlines():
        yield f"    {line}"
