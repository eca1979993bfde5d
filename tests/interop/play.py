"""Plays one flow of somebody else's client: a script in a process of its own, with a person beside it.

The script gets its arguments as one JSON object on the command line. What it needs of the person it asks with a line of
JSON on standard output, `{"ask": ..., ...}`, and reads the answer as a line of JSON on standard input. Its last line is
`{"result": ...}`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from tests.interop.live import Reached
from tests.interop.person import Person
from tests.needs import need

HERE = Path(__file__).parent
LONGEST = 40.0

Answers = Mapping[str, Callable[[], Awaitable[Any]]]
"""Who answers what is not for the person, by the name of the ask."""


async def play_node(server: Reached, script: str, answers: Answers | None = None, **given: Any) -> Any:
    """The result of `node/<script>.mjs`; it finds `issuer` among what it is given."""
    need("node-clients")
    return await _play(server, [need("node"), str(HERE / "node" / f"{script}.mjs")], given, answers or {})


async def play_python(
    server: Reached, script: str, answers: Answers | None = None, *, packages: str = "python-clients", **given: Any
) -> Any:
    """The result of `python/<script>.py`, run by the interpreter that has their `packages` (tests/needs.py)."""
    return await _play(server, [need(packages), str(HERE / "python" / f"{script}.py")], given, answers or {})


async def _play(server: Reached, command: list[str], given: dict[str, Any], answers: Answers) -> Any:
    process = await asyncio.create_subprocess_exec(
        *command, json.dumps({"issuer": server.issuer, **given}),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=server.trust.environment,
    )  # fmt: skip
    assert process.stderr is not None
    complaints = asyncio.create_task(process.stderr.read())
    try:
        async with asyncio.timeout(LONGEST), server.browser() as browser:
            result = await _talk(process, Person(server, browser, "ada"), answers)
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = (await complaints).decode()
    assert process.returncode == 0, f"{Path(command[1]).name} failed:\n{said}"
    assert result is not None, f"{Path(command[1]).name} gave no result:\n{said}"
    return result["result"]


async def _talk(process: asyncio.subprocess.Process, person: Person, answers: Answers) -> dict[str, Any] | None:
    assert process.stdout is not None
    assert process.stdin is not None
    async for line in process.stdout:
        message: dict[str, Any] = json.loads(line)
        if "result" in message:
            return message
        elsewhere = answers.get(message["ask"])
        answer = await elsewhere() if elsewhere else await person.asked(**message)
        process.stdin.write(json.dumps(answer).encode() + b"\n")
        await process.stdin.drain()
    return None
