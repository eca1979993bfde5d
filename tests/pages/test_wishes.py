"""How the person is told, and the code that agents must bring: the forms for it."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace
from tests.fixtures.house import House, built, sqlite
from tests.fixtures.sinks import http_sink, mail_sink
from tests.ledger import proves

from remit_server.records import Organisation, Preferences

PUSH = {"web_push": {"contact": "mailto:ops@example.com"}}
NTFY = {"ntfy": {"server": "https://ntfy.example"}}
MAIL = {"email": {"from": "remit@example.com", "smtp": "smtp://127.0.0.1:1"}}
ADA = "auth0|ada"


@proves("page.without-javascript")
async def test_wishes_are_kept_and_shown(tmp_path: Path) -> None:
    async with built(sqlite(tmp_path), Organisation(channels={**PUSH, **NTFY, **MAIL})) as house:
        ada = await house.sign_in()
        page = await ada.get("/notifications")
        assert "No device is told yet" in page.text
        sent = {"first": "ntfy", "second": "email", "third": "ntfy", "private": "yes", "quiet": "yes",
                "from": "22:00", "until": "06:30", "time_zone": "Europe/Berlin"}  # fmt: skip
        assert "Saved." in (await ada.submit(**sent)).text
        kept = await house.store.preferences.get(ADA)
        assert kept == Preferences(
            user_id=ADA, ways=("ntfy", "email"), private=True, quiet=("22:00", "06:30"), time_zone="Europe/Berlin",
            topic=kept.topic,
        )  # fmt: skip
        assert kept.topic in ada.page.text.replace("<wbr>", ""), "what to subscribe to"
        for wrong, said in (({"time_zone": "Mars/Olympus"}, "no time zone"), ({"from": "7pm"}, "two times of day")):
            refused = await ada.submit(**{**sent, **wrong})
            assert (refused.status_code, said in refused.text) == (400, True)
        assert await house.store.preferences.get(ADA) == kept
        assert (await ada.post("/notifications", {"first": "email"})).status_code == 403


async def test_a_way_that_is_not_set_up_now_keeps_its_place(tmp_path: Path) -> None:
    async with built(sqlite(tmp_path), Organisation(channels=NTFY)) as house:
        ada = await house.sign_in()
        await ada.get("/notifications")
        await ada.submit(first="", second="", time_zone="UTC")
        assert (await house.store.preferences.get(ADA)).ways == ("web_push", "email")


async def test_where_nothing_is_set_up_it_says_so(house: House) -> None:
    ada = await house.sign_in()
    assert "No way to tell you is set up here" in (await ada.get("/notifications")).text


async def test_a_try_goes_by_each_way_and_says_what_came_of_it(tmp_path: Path) -> None:
    async with http_sink() as sink:
        channels = {"ntfy": {"server": sink.url}}
        async with built(sqlite(tmp_path), Organisation(channels=channels), private_networks=("127.0.0.0/8",)) as house:
            ada = await house.sign_in()
            await ada.get("/notifications")
            csrf = ada.form.value("csrf") or ""
            assert (await ada.post("/notifications/trial", {"csrf": csrf})).status_code == 400, "no way leads to her"
            await house.store.commit(
                house.store.preferences.put(replace(await house.store.preferences.get(ADA), ways=("ntfy",), topic="t"))
            )
            assert (await ada.post("/notifications/trial", {})).status_code == 403
            assert "It should be there in a moment" in (await ada.post("/notifications/trial", {"csrf": csrf})).text
            sink.answers = [403]
            assert "Not sent" in (await ada.post("/notifications/trial", {"csrf": csrf})).text
            assert (await ada.post("/notifications/trial", {"csrf": csrf})).status_code == 429
            assert all(b"This is how you hear" in body and b"wants to" not in body for _, _, body in sink.got)
            assert len(sink.got) == 2


async def test_a_try_by_mail_asks_for_nothing(tmp_path: Path) -> None:
    async with mail_sink() as sink:
        channels = {"email": {"from": "remit@example.com", "smtp": f"smtp://127.0.0.1:{sink.port}"}}
        async with built(sqlite(tmp_path), Organisation(channels=channels)) as house:
            ada = await house.sign_in()
            await ada.get("/notifications")
            tried = await ada.post("/notifications/trial", {"csrf": ada.form.value("csrf") or ""})
            assert "It should be there in a moment" in tried.text
        (message,) = sink.messages
        assert message["Subject"] == "A try from Remit"
        body = message.get_body(("plain",))
        assert body is not None
        assert "answer" not in body.get_content()


async def test_she_chooses_the_code_that_agents_must_bring(house: House) -> None:
    ada = await house.sign_in()
    assert "A code for agents" not in (await ada.get("/security")).text, "no agent must bring one"
    agent = await house.store.clients.get("agent")
    assert agent is not None
    await house.store.commit(house.store.clients.put(replace(agent, backchannel_user_code_parameter=True)))
    page = await ada.get("/security")
    assert "You have not chosen one" in page.text
    csrf = ada.form.value("csrf") or ""
    assert (await ada.post("/security/code", {"csrf": csrf, "own_code": "12345"})).status_code == 400
    assert (await ada.post("/security/code", {"own_code": "correct horse"})).status_code == 403
    kept = await ada.post("/security/code", {"csrf": csrf, "own_code": "correct horse"})
    assert "Your code is kept" in kept.text
    assert "correct horse" not in kept.text
    user = await house.store.users.get(ADA)
    assert user is not None
    assert await house.machines.passwords.verify(user.backchannel_user_code, "correct horse")
    house.clock.forward(700)
    late = await ada.post("/security/code", {"csrf": csrf, "own_code": "another code"})
    assert "Sign in" in late.text, "who finds a browser open changes nothing"
