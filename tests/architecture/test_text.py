"""What is committed reads the same on every machine: no path of one, no host that happened to serve a package."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.architecture.house import ROOT, SRC, modules, shown, tracked
from tests.ledger import proves

MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:root|work|home/[a-z]+|Users/[A-Za-z]+)/")
PACKAGE_HOST = re.compile(r"registry\.npmjs\.org|pythonhosted\.org|pypi\.org/simple|--(?:extra-)?index-url[ =]")
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX)\b")
CONFLICT = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)


def text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


@pytest.mark.parametrize(
    "pattern", [MACHINE_PATH, PACKAGE_HOST, CONFLICT], ids=["machine path", "package host", "conflict"]
)
@proves("house.reads-the-same-everywhere")
def test_no_tracked_file_names_a_machine(pattern: re.Pattern[str]) -> None:
    found = [
        f"{shown(path)}: {match.group().strip()}"
        for path in tracked()
        if (text := text_of(path)) is not None
        for match in pattern.finditer(text)
    ]
    assert found == []


@proves("house.locks-have-hashes")
def test_python_locks_are_pinned_with_hashes_and_name_no_host() -> None:
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        entries = [e for e in re.split(r"\n(?=\S)", lock.read_text()) if not e.startswith("#")]
        assert entries
        for entry in entries:
            assert re.match(r"[\w.-]+(?:\[[\w,-]+\])?==\S+", entry), f"{lock.name}: not pinned: {entry.splitlines()[0]}"
            assert "--hash=sha256:" in entry, f"{lock.name}: no hash: {entry.splitlines()[0]}"
            assert "://" not in entry, f"{lock.name}: names a host: {entry.splitlines()[0]}"


@proves("house.locks-have-hashes")
def test_npm_locks_have_hashes_and_name_no_host() -> None:
    for lock in [path for path in tracked() if path.name == "package-lock.json"]:
        packages = json.loads(lock.read_text())["packages"]
        for name, entry in packages.items():
            if name and not entry.get("link"):
                assert "resolved" not in entry, f"{shown(lock)}: {name} names a host"
                assert "integrity" in entry, f"{shown(lock)}: {name} has no hash"


@pytest.mark.parametrize("path", modules(SRC), ids=shown)
def test_nothing_is_left_for_later(path: Path) -> None:
    assert UNFINISHED.findall(path.read_text()) == []
