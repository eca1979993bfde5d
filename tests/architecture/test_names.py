"""Finding an endpoint takes one guess: its file is named after the last word of its URL, a grant's after its type."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.architecture.house import SERVER, SRC, dotted, imports, modules, shown
from tests.ledger import proves

ROUTES = SERVER / "routes.py"
SAYS_NOTHING = {"base", "common", "helper", "helpers", "manager", "managers", "misc", "shared", "util", "utils"}
# One document at two URLs, which both standards call metadata (RFC 8414 section 3, OIDC Discovery 1.0 section 4).
METADATA = {"oauth_authorization_server", "openid_configuration"}
LONGEST = 400  # lines; a file is one to three screens, and above this nobody reads it whole


class Routed(NamedTuple):
    """One line of routes.py: a URL and the modules it names."""

    url: str
    modules: tuple[str, ...]


def routed(source: str, package: str = "remit_server") -> Iterator[Routed]:
    """Every call or tuple that holds a URL, with the endpoint modules that stand beside the URL."""
    tree = ast.parse(source)
    bound = {name: full for name, full, _ in imports(tree, package)}
    for node in ast.walk(tree):  # an endpoint that answers two URLs has a name of its own: metadata = Metadata(...)
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=made))) if made in bound:
                bound[name] = bound[made]
    for node in ast.walk(tree):
        parts = {ast.Call: lambda n: [*n.args, *(k.value for k in n.keywords)], ast.Tuple: lambda n: n.elts}
        if type(node) not in parts:
            continue
        children = parts[type(node)](node)
        urls = [c.value for c in children if isinstance(c, ast.Constant) and str(c.value).startswith("/")]
        names = {n.id for c in children for n in ast.walk(c) if isinstance(n, ast.Name)}
        found = sorted(bound[n] for n in names if re.search(r"\.(endpoints|grants|pages|views)\.", bound.get(n, "")))
        for url in urls:
            yield Routed(url, tuple(found))


def names_for(url: str) -> set[str]:
    """What the file behind `url` may be called: its last word, in the singular too where the URL ends in one item."""
    words = [word for word in url.strip("/").split("/") if word and not word.startswith("{")]
    if not words:
        return {"home"}
    last = re.sub(r"\.(json|js|txt|webmanifest)$", "", words[-1]).replace("-", "_").replace(".", "_")
    if last in METADATA:
        return {last, "metadata"}
    return {last, last.removesuffix("s")} if url.rstrip("/").endswith("}") else {last}


def file_of(module: str) -> str:
    """`remit_server.identity.endpoints.token.answer` -> `token`: the file, whatever of it is imported."""
    return re.split(r"\.(?:endpoints|grants|pages|views)\.", module)[1].split(".")[0]


def named_wrongly(source: str) -> list[str]:
    return [
        f"{url} is answered by {modules or 'nothing that routes.py imports from an endpoints/ or pages/ folder'}"
        for url, modules in routed(source)
        if not any(file_of(module) in names_for(url) for module in modules)
    ]


@proves("house.one-guess")
def test_an_endpoint_is_found_by_the_last_word_of_its_url() -> None:
    assert named_wrongly(ROUTES.read_text()) == []


@proves("house.one-guess")
def test_every_endpoint_and_grant_is_in_the_routes() -> None:
    rooms = {"endpoints", "grants"}
    files = {dotted(p) for p in modules(SERVER) if p.parent.name in rooms and p.name != "__init__.py"}
    tree = ast.parse(ROUTES.read_text())
    reached = {name for _, full, _ in imports(tree, "remit_server") for name in (full, full.rpartition(".")[0])}
    assert files - reached == set()


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("Route('/oauth/token', token.answer, methods=['POST'])", True),
        ("Route('/oauth/revoke', token.answer)", False),
        ("('POST', '/oauth/token', token)", True),
        ("Route('/oauth/token', lambda request: None)", False),
    ],
)
def test_a_wrong_name_is_seen(line: str, right: bool) -> None:
    assert (named_wrongly(f"from remit_server.identity.endpoints import token\nROUTES = [{line}]") == []) is right


def grant_name(path: Path) -> str | None:
    """The `name` that the grant in this file goes by in a client's `grants`."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Assign(targets=targets, value=ast.Constant(value=str(value))):
                if any(isinstance(target, ast.Name) and target.id == "name" for target in targets):
                    return value
            case ast.AnnAssign(target=ast.Name(id="name"), value=ast.Constant(value=str(value))):
                return value
    return None


@pytest.mark.parametrize(
    "path", [p for p in modules(SERVER) if p.parent.name == "grants" and p.name != "__init__.py"], ids=shown
)
@proves("house.one-guess")
def test_a_grant_is_found_by_its_name(path: Path) -> None:
    assert grant_name(path) == path.stem


@pytest.mark.parametrize("path", modules(SRC), ids=shown)
def test_a_module_says_what_it_is_and_fits_a_reader(path: Path) -> None:
    assert path.stem not in SAYS_NOTHING
    assert len(path.read_text().splitlines()) <= LONGEST
