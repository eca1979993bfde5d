"""`remit relations` as people use it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest
from tests.cli.conftest import Run
from tests.fixtures.openfga_server import KEY
from tests.ledger import proves

from remit_server.errors import ConfigurationError
from remit_server.management import relation_tests

SAMPLES = Path(__file__).parent.parent / "conformance" / "sample-stores"
WRONG = """model
  schema 1.1
type user
type document
  relations
    define owner: [user]
    define viewer: [somebody] or owner
    define editor: writer
"""


@proves("relations.checked-with-places")
def test_all_that_is_wrong_with_a_model_is_told_with_its_place(run: Run, tmp_path: Path) -> None:
    (tmp_path / "wrong.fga").write_text(WRONG)
    said = run("relations", "check", tmp_path / "wrong.fga")
    assert said.returncode == 2
    first, second = said.stderr.removeprefix("remit: ").splitlines()
    assert first.startswith(f"{tmp_path}/wrong.fga:7:21: ")
    assert second.startswith(f"{tmp_path}/wrong.fga:8:20: ")
    good = run("relations", "check", SAMPLES / "modular" / "fga.mod", SAMPLES / "gdrive" / "model.fga")
    assert good.returncode == 2, "one file at a time"
    good = run("relations", "check", SAMPLES / "modular" / "fga.mod")
    assert (good.returncode, good.stdout) == (0, f"{SAMPLES}/modular/fga.mod: schema 1.2, 7 types, 0 conditions.\n")


def test_tests_of_stores(run: Run, tmp_path: Path) -> None:
    drive = SAMPLES / "gdrive" / "store.fga.yaml"
    said = run("relations", "test", drive)
    assert (said.returncode, said.stdout) == (0, f"{drive}: 9 of 9 assertions hold.\n")
    spoiled = tmp_path / "store.fga.yaml"
    text = (SAMPLES / "ip-based-access" / "store.fga.yaml").read_text()
    spoiled.write_text(text.replace(": true", ": TRUE").replace(": false", ": true").replace(": TRUE", ": false"))
    said = run("relations", "test", drive, spoiled)
    assert said.returncode == 2
    assert "2 of 4 assertions hold" in said.stdout
    assert " is false" in said.stdout
    for broken in ("[", "tests: []", "model: nothing", "model_file: nowhere.fga"):
        spoiled.write_text(broken)
        said = run("relations", "test", spoiled)
        assert (said.returncode, "Traceback" in said.stderr) == (2, False), broken


SMALL = """model: |
  model
    schema 1.1
  type user
  type document
    relations
      define viewer: [user]
"""


@pytest.mark.parametrize(
    "rest",
    [
        "tests: 1", "tests: [1]", "tests: [{check: 1}]", "tests: [{check: [1]}]", "tests: [{check: [{assertions: [viewer]}]}]",
        "tests: [{check: [{object: 'document:1', assertions: {viewer: true}}]}]", "tuples: 1", "tuples: [1]", "tuple_files: 1",
        "tests: [{check: [{user: 'user:a', object: 'document:1', assertions: {viewer: 'yes'}}]}]",
        "tests: [{list_users: [{object: 'document:1', user_filter: [], assertions: {}}]}]", "tuple_file: rows.csv",
        "tuple_file: rows.yaml",
        "tuples: [{user: 'user:a', relation: veiwer, object: 'document:1'}]",
        "tests: [{tuples: [{user: 'user:a', relation: viewer, object: 'document:1', condition: {name: early}}]}]",
    ],
)  # fmt: skip
def test_a_file_that_is_no_test_says_so(tmp_path: Path, rest: str) -> None:
    """A tuple that the model does not take would be silently nothing, and whatever it should forbid would hold."""
    (tmp_path / "rows.csv").write_text("user_type,user_id\nuser,a\n")
    (tmp_path / "rows.yaml").write_text("user: user:a\n")
    file = tmp_path / "store.fga.yaml"
    file.write_text(SMALL + rest)
    with pytest.raises(ConfigurationError):
        asyncio.run(relation_tests.tested(file))


@pytest.mark.parametrize(
    "test",
    [
        "list_objects: [{user: 'user:a', type: documents, assertions: {viewer: []}}]",
        "list_objects: [{user: 'user:a', type: document, assertions: {veiwer: []}}]",
        "list_objects: [{user: 'usre:a', type: document, assertions: {viewer: []}}]",
        "list_users: [{object: 'document', user_filter: [{type: user}], assertions: {viewer: {users: []}}}]",
        "list_users: [{object: 'document:1', user_filter: [{type: usre}], assertions: {viewer: {users: []}}}]",
    ],
)
def test_nothing_is_not_found_by_a_name_that_is_not_there(tmp_path: Path, test: str) -> None:
    file = tmp_path / "store.fga.yaml"
    file.write_text(f"{SMALL}tests: [{{name: typo, {test}}}]")
    found = asyncio.run(relation_tests.tested(file))
    assert (found.passed, len(found.failed)) == (0, 1)


@proves("access.copy")
def test_there_and_back(run: Run, acme: Path, openfga_url: str) -> None:
    assert run("apply", acme, "--yes", "--data", "data").returncode == 0
    with httpx2.Client(base_url=openfga_url, headers={"authorization": f"Bearer {KEY}"}) as http:
        store = http.post("/stores", json={"name": "copy"}).json()["id"]
        there = f"{openfga_url}/stores/{store}"
        tokens = {"REMIT_FROM_TOKEN": KEY, "REMIT_TO_TOKEN": KEY}

        refused = run("relations", "copy", "--from", "documents", "--to", there, "--data", "data")
        assert (refused.returncode, "the copy stopped after 0 tuples" in refused.stderr) == (2, True)
        assert "401" in refused.stderr
        copied = run("relations", "copy", "--from", "documents", "--to", there, "--data", "data", environ=tokens)
        assert copied.returncode == 0, copied.stderr
        assert "1 models" in copied.stdout
        assert http.post(f"/stores/{store}/read", json={}).json()["tuples"]
    back = run(
        "relations", "copy", "--from", there, "--to", "again", "--data", "data", "--state", "state.json", environ=tokens
    )
    assert back.returncode == 0, back.stderr
    assert KEY not in copied.stdout + copied.stderr + back.stdout + back.stderr
    assert back.stdout.partition(";")[0] == copied.stdout.partition(";")[0]
    for source, target in (
        ("nothing", "again"),
        ("documents", "ftp://x/stores/1"),
        (f"{openfga_url}/stores/x", "again"),
    ):
        wrong = run("relations", "copy", "--from", source, "--to", target, "--data", "data", environ=tokens)
        assert (wrong.returncode, "Traceback" in wrong.stderr) == (2, False), wrong.stderr


def test_a_note_of_another_copy_is_refused(run: Run, acme: Path, tmp_path: Path) -> None:
    assert run("apply", acme, "--yes", "--data", "data").returncode == 0
    note = tmp_path / "note.json"
    for text in ("{", '{"source":"a","target":"b","began":1}'):
        note.write_text(text)
        said = run("relations", "copy", "--from", "documents", "--to", "more", "--data", "data", "--state", note)
        assert said.returncode == 2
        assert str(note) in said.stderr


def test_the_doctor_looks_whether_somebody_answers(run: Run, acme: Path, openfga_url: str) -> None:
    text = acme.read_text()
    need = '  needs:\n    - {connection: "*", relation: RELATION, object: document:1}\n'
    acme.write_text(text.replace("\npolicies:", need.replace("RELATION", "viewer") + "\npolicies:"))
    assert run("apply", acme, "--yes", "--data", "data").returncode == 0
    assert "is needed" not in run("doctor", "--data", "data").stdout
    acme.write_text(text.replace("\npolicies:", need.replace("RELATION", "can_fly") + "\npolicies:"))
    assert run("apply", acme, "--yes", "--data", "data").returncode == 0
    said = run("doctor", "--data", "data")
    assert "WRONG  can_fly of document:1 is needed" in said.stdout
    server = f"settings:\n  relations_server: {{url: {openfga_url}, store: 01JACCESS00000000000000001, token: {{env: FGA}}}}\n"
    acme.write_text(text + server)
    for token in (KEY, "another"):
        assert run("apply", acme, "--yes", "--data", "data", environ={"FGA": token}).returncode == 0
        said = run("doctor", "--data", "data")
        assert "WRONG  nobody answers for the relations" in said.stdout
        assert token not in said.stdout
    with httpx2.Client(base_url=openfga_url, headers={"authorization": f"Bearer {KEY}"}) as http:
        store = http.post("/stores", json={"name": "doctor"}).json()["id"]
        model = {"schema_version": "1.1", "type_definitions": [{"type": "user"}]}
        assert http.post(f"/stores/{store}/authorization-models", json=model).status_code == 201
    acme.write_text(text + server.replace("01JACCESS00000000000000001", store))
    assert run("apply", acme, "--yes", "--data", "data", environ={"FGA": KEY}).returncode == 0
    assert f"the relations server at {openfga_url} answers" in run("doctor", "--data", "data").stdout
