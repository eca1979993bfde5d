"""`rules` decides and does nothing else. What it needs to know is an argument, so that a table can test it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.architecture.house import SERVER, dotted, imports, modules, shown
from tests.ledger import proves

# Listed are the modules that cannot reach out. Whatever is not listed is refused, so a new one is a decision.
PURE = {
    "__future__",
    "base64",
    "binascii",
    "collections",
    "contextlib",
    "dataclasses",
    "datetime",
    "decimal",
    "email.utils.parsedate_to_datetime",
    "enum",
    "fractions",
    "functools",
    "graphlib",
    "hashlib",
    "heapq",
    "hmac",
    "ipaddress",
    "itertools",
    "json",
    "math",
    "operator",
    "re",
    "string",
    "types",
    "typing",
    "unicodedata",
    "urllib.parse",
    "zlib",
    # libraries that compute
    "cedarpy",
    "cel_expr_python",
    "joserfc",
    "jsonschema",
    "msgspec",
    "rfc8785",
    "webauthn",
    "yaml",
    # the cellar itself
    "remit_server.config",
    "remit_server.errors",
    "remit_server.records",
    "remit_server.rules",
}
REACHES_OUT = {"__import__", "breakpoint", "eval", "exec", "input", "open", "print"}
CLOCK = {"now", "today", "utcnow"}


def impurities(source: str, package: str = "remit_server.rules") -> Iterator[str]:
    """What in `source` would make its answer depend on more than its arguments."""
    tree = ast.parse(source)
    for _, name, line in imports(tree, package):
        if not any(name == pure or name.startswith(pure + ".") for pure in PURE):
            yield f"line {line}: imports {name}"
    for node in ast.walk(tree):
        match node:
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                yield f"line {node.lineno}: is asynchronous"
            case ast.Global() | ast.Nonlocal():
                yield f"line {node.lineno}: keeps state"
            case ast.Call(func=ast.Name(id=name)) if name in REACHES_OUT:
                yield f"line {node.lineno}: calls {name}()"
            case ast.Attribute(value=ast.Name(id="datetime" | "date"), attr=name) if name in CLOCK:
                yield f"line {node.lineno}: reads the clock"


@pytest.mark.parametrize("path", [*modules(SERVER / "rules"), SERVER / "config.py"], ids=shown)
@proves("house.rules-are-pure")
def test_a_rule_depends_on_its_arguments_only(path: Path) -> None:
    package = dotted(path) if path.name == "__init__.py" else dotted(path).rpartition(".")[0]
    assert list(impurities(path.read_text(), package)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "import os",
        "import secrets",
        "import random",
        "import asyncio",
        "import urllib.request",
        "from remit_server.storage import contract",
        "from ..storage import contract",
        "from starlette.requests import Request",
        "async def judge(): ...",
        "open('/etc/passwd')",
        "from datetime import datetime\nat = datetime.now()",
        "def judge():\n    global seen",
    ],
)
def test_each_way_to_reach_out_is_seen(source: str) -> None:
    assert list(impurities(source))
