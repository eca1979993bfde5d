"""The story, as `remit demo --check` plays it: a real server in a process of its own, a real provider, a real broker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests.ledger import proves


def play(*options: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "remit_server.cli", "demo", "--check", *options]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


@proves("story.check")
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_every_step_holds_and_nothing_is_left_behind(
    database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    options = []
    if database == "postgresql":
        env["DATABASE_URL"] = request.getfixturevalue("postgresql_url")
        options = ["--postgres"]
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    played = play(*options, env=env)
    assert played.returncode == 0, played.stdout + played.stderr
    steps = [line for line in played.stdout.splitlines() if line.startswith("ok ")]
    assert [line.split()[1] for line in steps] == ["1", "2", "3", "4", "5", "6", "9"]
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert left == []
    assert [path for path in tmp_path.iterdir() if path.is_dir() and "remit" in path.name] == []
