"""What the documents tell a reader to type can be typed."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest
from tests.architecture.house import ROOT, shown, tracked
from tests.ledger import proves

DOCUMENTS = [path for path in tracked() if path.suffix == ".md" and "node_modules" not in path.parts]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(path: Path, *languages: str) -> list[str]:
    return [body for language, body in FENCE.findall(path.read_text()) if language in languages]


@pytest.mark.parametrize("path", DOCUMENTS, ids=shown)
@proves("house.readme-is-true")
def test_make_targets_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = "\n".join(blocks(path, "sh", "bash", "console", "")) + "\n".join(
        re.findall(r"`([^`\n]+)`", path.read_text())
    )
    assert set(re.findall(r"\bmake ([a-z]+)", text)) <= targets


@pytest.mark.parametrize("path", DOCUMENTS, ids=shown)
@proves("house.readme-is-true")
def test_links_to_files_lead_somewhere(path: Path) -> None:
    prose = FENCE.sub("", path.read_text())
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose) + re.findall(r'(?:src|href)="([^"#]+)"', prose)
    broken = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in broken if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=shown)
@proves("house.readme-is-true")
def test_python_compiles_and_imports_what_there_is(path: Path) -> None:
    for snippet in blocks(path, "python"):
        tree = compile(snippet, shown(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "remit":
                assert {alias.name for alias in node.names} <= offered(str(node.module))


def offered(module: str) -> set[str]:
    """The names in a module of the SDK. An integration is read and not imported, as its framework need not be here."""
    if not module.startswith("remit.integrations."):
        return set(dir(importlib.import_module(module)))
    tree = ast.parse((ROOT / "src" / Path(*module.split("."))).with_suffix(".py").read_text())
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}


def test_the_makefile_explains_each_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    declared = next(line for line in makefile.splitlines() if line.startswith(".PHONY:")).split()[1:]
    assert re.findall(r"^([a-z]+):.*## \S", makefile, re.MULTILINE) == declared


def test_the_map_is_true() -> None:
    places = re.findall(r"`([\w/.]+)`", (ROOT / "docs" / "map.md").read_text())
    missing = [place for place in places if "/" in place and place != "src/" and not (ROOT / "src" / place).exists()]
    assert missing == []
