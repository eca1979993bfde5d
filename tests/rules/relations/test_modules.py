"""Modules: what stands in which file, and files that name others."""

from __future__ import annotations

import pytest

from remit_server.errors import ConfigurationError
from remit_server.rules.relations import modules
from remit_server.rules.relations.faults import Faulty
from remit_server.rules.relations.model import compiled

CORE = "module core\ntype user\ntype doc\n  relations\n    define viewer: [user]\n"
WIKI = "module wiki\nextend type doc\n  relations\n    define editor: [user] or boss\n"


def test_a_fault_names_its_file() -> None:
    with pytest.raises(Faulty) as raised:
        modules.joined({"core.fga": CORE, "wiki.fga": WIKI})
    assert raised.value.where == "wiki.fga:4:30"


def test_a_model_of_modules_is_a_model() -> None:
    joined = modules.joined({"core.fga": CORE, "wiki.fga": WIKI.replace("boss", "viewer")})
    model = compiled(joined.model, joined.places)
    assert set(model.types["doc"]) == {"viewer", "editor"}
    assert str(joined.places["doc", "editor"]) == "wiki.fga:4:12"


@pytest.mark.parametrize(
    ("other", "where"),
    [
        ("module other\ntype user", "other.fga:2:6"),
        ("module other\nextend type user\n  relations\n    define a: [user]\nextend type user", "other.fga:5:13"),
        ("module other\nextend type doc\n  relations\n    define viewer: [user]", "other.fga:4:12"),
        ("module other\nextend type nothing", "other.fga:2:13"),
    ],
)
def test_what_is_defined_is_defined_once(other: str, where: str) -> None:
    with pytest.raises(Faulty) as raised:
        modules.joined({"core.fga": CORE, "other.fga": other})
    assert raised.value.where == where


@pytest.mark.parametrize(
    "path",
    ["../a.fga", "a/../b.fga", "..", "%2e%2e/a.fga", "a\\..\\..\\b.fga", "/a.fga", "C:\\a.fga", "a%00.fga", "a.yaml"],
)
def test_no_path_leads_out(path: str) -> None:
    with pytest.raises(Faulty):
        modules.listing(f"schema: '1.2'\ncontents:\n  - \"{path.replace(chr(92), chr(92) * 2)}\"\n")


def test_modules_have_a_size() -> None:
    with pytest.raises(ConfigurationError, match="256 KiB"):
        modules.joined({f"{n}.fga": CORE + " " * 100_000 for n in range(3)})
