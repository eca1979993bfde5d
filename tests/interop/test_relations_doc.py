"""docs/relations.md, done as it says: its model and manifest are applied, and what it shows is run as it stands, but for the
address."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from tests.fixtures.house import SECRET
from tests.fixtures.openfga import Fga, key, speaking
from tests.interop.live import Live, Trust, live
from tests.ledger import proves
from tests.needs import ROOT, need

from remit_server.management.manifest.apply import Applier
from remit_server.management.manifest.read import read

PAGE = (ROOT / "docs" / "relations.md").read_text()
ADDRESS = "https://remit.example"
RULES = "- {user: folder:handbook, relation: parent, object: document:rules}\n"


def shown(language: str, server: Live) -> str:
    """The page's one block in this language, at this server."""
    (block,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    text: str = block
    return text.replace(ADDRESS, server.issuer.rstrip("/"))


async def run(server: Live, *command: str, **environment: str) -> str:
    given = {**server.trust.environment, "CURL_CA_BUNDLE": str(server.trust.file), "DOCUMENTS_SECRET": SECRET}
    process = await asyncio.create_subprocess_exec(
        *command, env={**given, **environment}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, complaints = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, complaints.decode()
    return said.decode()


async def applied(server: Live, place: Path, tuples: str = "[]\n") -> None:
    (place / "handbook.fga").write_text(shown("fga", server))
    (place / "handbook.yaml").write_text(tuples)
    (place / "remit.yaml").write_text(shown("yaml", server))
    machines = server.house.machines
    applier = Applier(machines.store, machines.clock, machines.passwords, machines.peppers)
    await applier.apply(read(place / "remit.yaml", {"DOCUMENTS_SECRET": SECRET}))


@proves("house.readme-is-true")
async def test_what_the_page_shows(trust: Trust, tmp_path: Path) -> None:
    async with live(tmp_path, trust) as server:
        await applied(server, tmp_path)
        store = await server.house.store.relations.store_named("handbook")
        assert store
        said = await run(server, "bash", "-ec", shown("sh", server))
        assert said == '{}{"allowed":true,"resolution":""}{"objects":["document:rules"]}'
        python = need("python-clients")
        said = await run(server, python, "-c", shown("python", server), FGA_STORE_ID=store.id)
        assert said == "True\n"


@proves("relations.side-by-side")
async def test_apply_leaves_alone_what_programs_made(trust: Trust, tmp_path: Path) -> None:
    async with live(tmp_path, trust, tls=False) as server:
        await applied(server, tmp_path, RULES)
        fga: Fga = await speaking(server.house, "documents")
        async with fga.http:
            declared = (await fga.call("GET", "/stores", name="handbook"))[1]["stores"][0]["id"]
            await fga.begin("of a program")
            own = fga.store
            await fga.define("model\n  schema 1.1\ntype user\ntype note\n  relations\n    define viewer: [user]")
            await fga.write("user:ann viewer note:1")
            fga.store, fga.model = declared, ""
            await fga.write("user:bob viewer document:plan")
            await applied(server, tmp_path)

            async def held() -> list[str]:
                pages = (await fga.call("POST", "read", {}))[1]["tuples"]
                return [f"{of['key']['user']} {of['key']['relation']} {of['key']['object']}" for of in pages]

            assert await held() == ["user:bob viewer document:plan"]  # what the file had listed went with its line
            fga.store = own
            assert await held() == ["user:ann viewer note:1"]
            (tmp_path / "remit.yaml").write_text(re.sub(r"(?s)relations:\n.*?\n\n", "", shown("yaml", server)))
            machines = server.house.machines
            applier = Applier(machines.store, machines.clock, machines.passwords, machines.peppers)
            await applier.apply(read(tmp_path / "remit.yaml", {"DOCUMENTS_SECRET": SECRET}))
            left = [one["id"] for one in (await fga.call("GET", "/stores"))[1]["stores"]]
            assert left == [own]
            assert await fga.allows("user:ann viewer note:1")
            fga.store = declared
            assert (await fga.ask("check", tuple_key=key("user:bob viewer document:plan")))[0] == 404
