"""The snippets of docs/retrieval.md that need no framework; tests/interop/test_retrieval.py has the others."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse
from tests.journeys.hostile import Hostile, hostile_server

from remit import Client

TEXT = (Path(__file__).parents[2] / "docs" / "retrieval.md").read_text()


@pytest.fixture
async def server() -> AsyncIterator[Hostile]:
    async with hostile_server() as running:
        yield running


class Index:
    def best(self, question: str, n: int) -> list[dict[str, Any]]:
        return [{"id": 1}, {"id": 2}]

    def search(self, question: str, filter: dict[str, Any]) -> dict[str, Any]:  # noqa: A002 (as vector stores have it)
        return filter


async def test_every_snippet_runs(server: Hostile) -> None:
    page: dict[str, Any] = {}
    for snippet in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        if "remit.integrations" not in snippet:
            exec(compile(snippet, "docs/retrieval.md", "exec"), page)
    server.always["/access/v1/evaluations"] = JSONResponse({"evaluations": [{"decision": False}, {"decision": True}]})
    server.always["/access/v1/search/resource"] = JSONResponse({"results": [{"type": "doc", "id": "2"}]})
    async with Client(server.issuer, "assistant", "s3cret", clock=server.clock) as client:
        ada = client.for_user("auth0|ada")
        assert await page["research"](ada, Index(), "why?") == [{"id": 2}]
        assert await page["prefiltered"](ada, Index(), "why?") == {"id": {"$in": ["2"]}}
        server.always["/access/v1/search/resource"] = JSONResponse({"results": [], "context": {"partial": True}})
        assert await page["prefiltered"](ada, Index(), "why?") is None
