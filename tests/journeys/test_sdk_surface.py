"""What ``remit`` offers, and no more; what it needs, and no more."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

import remit
from remit import errors


def test_all_is_exact() -> None:
    public = {
        name for name, value in vars(remit).items() if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(remit.__all__)
    assert remit.__all__ == sorted(remit.__all__)
    assert set(errors.__all__) <= public


@pytest.mark.parametrize("name", remit.__all__)
def test_every_name_is_explained(name: str) -> None:
    assert getattr(remit, name).__doc__


def test_the_sdk_needs_two_packages() -> None:
    program = (
        "import sys; before = set(sys.modules); import remit; "
        "print(*sorted({n.partition('.')[0] for n in set(sys.modules) - before}))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "remit_server" not in loaded
    assert not {
        "langchain_core",
        "langsmith",
        "llama_index",
        "mcp",
        "numpy",
        "starlette",
        "uvicorn",
        "jinja2",
        "msgspec",
        "structlog",
        "pydantic",
    } & set(loaded)


SECRET_LINK = "https://remit.example/connect?ticket=s3cret"


@pytest.mark.parametrize(
    "error",
    [
        remit.ConnectRequired("calendar", url=SECRET_LINK, missing_scopes=["a"]),
        remit.ConnectRequired(f"calendar {SECRET_LINK}", url=SECRET_LINK),
        remit.ConnectRequired("calendar", url=SECRET_LINK, reason="limited"),
        remit.UserAway("calendar", url=SECRET_LINK),
        remit.ApprovalPending("req-1", url=SECRET_LINK, expires_at=1),
        remit.MoreInfoRequested("req-1", f"why?\u202e\n see {SECRET_LINK} or www.evil.example"),
        remit.StepUpRequired(url=SECRET_LINK, acr="phr"),
        remit.SignInRequired(f"because of {SECRET_LINK}"),
        remit.ApprovalDenied("req-1", reason=f"ask {SECRET_LINK}", by="ada"),
        remit.ApprovalExpired("req-1", expired_at=1),
        remit.DetailsChanged("qty", 10, 1000),
        remit.AlreadySpent(),
        remit.NotAllowed(f"see {SECRET_LINK}", policy="limits"),
        remit.Unavailable(f"at {SECRET_LINK}", retry_after=5),
        remit.Misconfigured(f"at {SECRET_LINK}"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_model_is_told_no_link_and_no_secret(error: remit.RemitError) -> None:
    told = error.for_model()
    assert "s3cret" not in told
    assert "://" not in told
    assert "www." not in told
    assert "\n" not in told
    assert "\u202e" not in told
    if isinstance(error, remit.ActionRequired) and error.url:
        assert error.url in error.for_user()
    stable = error.to_dict()
    assert stable["error"] == error.code
    assert stable["message"] == told


def test_a_challenge_cannot_be_broken_out_of() -> None:
    header = remit.InsufficientScope(['a"b\r\nSet-Cookie: x', "c"], resource_metadata="https://x/y").to_header()
    assert header == ('Bearer error="insufficient_scope", resource_metadata="https://x/y", scope="abSet-Cookie: x c"')
    assert remit.AuthenticationRequired(code="").to_header() == "Bearer"
