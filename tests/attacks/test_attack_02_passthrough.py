"""Attack 2, token passthrough: a token goes where it was meant for and nowhere else; what a provider is asked with stays here.

The proxy is where both could go wrong: the agent's own token must not reach the provider, the provider's must not reach the
agent, and neither a path, a host nor the framing of a request may lead anywhere else.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from tests.fixtures.dpop import dpop_key, proof
from tests.fixtures.house import BROKER, ISSUER
from tests.fixtures.proxy import EVERYTHING, TOKEN, VAULT, Bridge, Seen, answer
from tests.ledger import proves

from remit_server.records import ProxyRule


@proves("attack.passthrough")
@pytest.mark.parametrize(
    ("audience", "scope"),
    [(BROKER, "openid trade:write"), (f"{ISSUER}me/", "openid read:me:approvals"), (None, "openid profile")],
)
async def test_a_token_for_another_audience_calls_nothing(bridge: Bridge, audience: str | None, scope: str) -> None:
    token = (await bridge.house.tokens_for("agent", audience=audience, scope=scope))["access_token"]
    got = await bridge.house.http.get("/vault/proxy/calendar/a", headers={"Authorization": f"Bearer {token}"})
    assert got.status_code == 401
    assert bridge.api.seen == []


@proves("attack.passthrough")
async def test_a_token_for_the_vault_is_worth_nothing_elsewhere(bridge: Bridge) -> None:
    headers = {"Authorization": f"Bearer {await bridge.token()}"}
    for path in ("/userinfo", "/me/v1/connected-accounts/accounts", "/me/v1/approvals"):
        assert (await bridge.house.http.get(path, headers=headers)).status_code == 401, path


@proves("attack.passthrough")
async def test_what_the_agent_shows_never_reaches_the_provider(bridge: Bridge) -> None:
    ours = await bridge.token()
    await bridge.call(
        "POST", content=b"x",
        headers={"Cookie": f"a={ours}", "X-Forwarded-Authorization": ours, "DPoP": ours, "Proxy-Authorization": ours},
    )  # fmt: skip
    (seen,) = bridge.api.seen
    assert ours not in repr(seen)
    assert [value for name, value in seen.headers if name == "authorization"] == [f"Bearer {TOKEN}"]


@proves("attack.passthrough")
@pytest.mark.parametrize("shown", [True, False])
async def test_a_bound_token_needs_its_key(bridge: Bridge, shown: bool) -> None:
    key = dpop_key()
    code = await bridge.house.code_for("agent", audience=VAULT, scope="openid vault:proxy")
    form = {"grant_type": "authorization_code", "code": code.value, "redirect_uri": code.redirect_uri,
            "code_verifier": code.verifier, **bridge.house.proof("agent")}  # fmt: skip
    shown_there = {"DPoP": proof(bridge.house, key)}
    token = (await bridge.house.http.post("/oauth/token", data=form, headers=shown_there)).json()
    assert token["token_type"] == "DPoP"
    path = "vault/proxy/calendar/people/ada%40example.com"
    headers = {"Authorization": f"{'DPoP' if shown else 'Bearer'} {token['access_token']}"}
    if shown:
        headers["DPoP"] = proof(bridge.house, key, f"/{path}", "GET", access_token=token["access_token"])
    got = await bridge.house.http.get(f"/{path}", headers=headers)
    assert got.status_code == (200 if shown else 401), got.text
    if shown:  # the same proof again
        assert (await bridge.house.http.get(f"/{path}", headers=headers)).status_code == 401


ECHOES = {
    "plain": TOKEN, "bearer": f"you sent Bearer {TOKEN}.", "json": f'{{"h": "Bearer {TOKEN.replace("/", chr(92) + "/")}"}}',
    "url": f"?t={quote(TOKEN, safe='')}", "base64": b64encode(f"Bearer {TOKEN}".encode()).decode(),
    "basic": b64encode(f"x:{TOKEN}".encode()).decode(),
}  # fmt: skip


@proves("proxy.no-echo")
@pytest.mark.parametrize("status", ["200 OK", "400 Bad", "500 Oops"])
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES.keys())
@pytest.mark.parametrize("packed", ["", "gzip", "deflate"])
async def test_an_echo_of_the_credential(bridge: Bridge, echo: str, packed: str, status: str) -> None:
    body = f"<{echo}>".encode()
    packing = {"": lambda b: b, "gzip": gzip.compress, "deflate": zlib.compress}[packed]
    coding = [f"Content-Encoding: {packed}"] if packed else []
    bridge.api.replies(
        answer(
            status,
            packing(body),
            f"X-Echo: {TOKEN}",
            f"X-{TOKEN[:4]}: 1",
            f"Link: <?t={TOKEN}>",
            f"X-Spelt: {echo}",
            *coding,
        )
    )
    got = await bridge.call()
    assert got.status_code == int(status[:3])
    assert len(got.content) == len(body), "masked, and the length stays"
    everything = got.text + repr(list(got.headers.raw))
    assert not any(spelt in everything for spelt in (echo.strip("."), TOKEN, TOKEN[4:]))
    assert b"*" * 16 in got.content
    (event,) = await bridge.events()
    assert event.about["masked"] is True
    assert TOKEN not in repr(event)


@proves("proxy.no-echo")
async def test_an_echo_across_pieces(bridge: Bridge) -> None:
    async def play(_: Seen, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for letter in f"<{TOKEN}>":
            writer.write(f"1\r\n{letter}\r\n".encode())
            await writer.drain()
            await asyncio.sleep(0.002)
        writer.write(b"0\r\n\r\n")

    bridge.api.play = play
    async with bridge.live() as http:
        got = await http.get("/vault/proxy/calendar/a")
    assert got.text == f"<{'*' * len(TOKEN)}>"


@proves("proxy.no-echo")
async def test_an_echo_in_ranges(bridge: Bridge) -> None:
    whole = b"p" * 70_000 + TOKEN.encode() + b"q" * 70_000

    async def play(seen: Seen, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wanted = seen.header("range")
        if wanted is None:
            writer.write(answer("200 OK", whole))
            return
        first, _dash, last = wanted.removeprefix("bytes=").partition("-")
        part = whole[int(first) : int(last) + 1] if last else whole[int(first) :]
        writer.write(answer("206 Partial Content", part, f"Content-Range: bytes {first}-{last}/{len(whole)}"))

    bridge.api.play = play
    for cut in (70_010, 70_024, 70_040):
        parts = [await bridge.call(headers={"Range": r}) for r in (f"bytes=0-{cut - 1}", f"bytes={cut}-")]
        assert [part.status_code for part in parts] == [206, 206]
        both = parts[0].content + parts[1].content
        assert len(both) == len(whole)
        assert not any(TOKEN[at : at + 10].encode() in both for at in range(len(TOKEN) - 10))
    small = await bridge.call(headers={"Range": "bytes=70000-70004"})
    assert (small.status_code, len(small.content)) == (200, len(whole)), "the whole, masked"
    assert TOKEN.encode() not in small.content


@proves("proxy.no-redirects")
async def test_a_redirect_with_the_credential_in_it(bridge: Bridge) -> None:
    spelt = quote(TOKEN, safe="")
    for location in (f"/v3/b?x={TOKEN}", f"/v3/{spelt}", f"/v3/b?x={spelt}", "http://127.0.0.1:1/"):
        bridge.api.replies(answer("302 Found", b"", f"Location: {location}"))
        got = await bridge.call()
        assert "location" not in got.headers, location
    assert len(bridge.api.seen) == 4


@proves("proxy.one-reading")
@pytest.mark.parametrize(
    "path",
    ["//evil.example/a", "/..%2f..%2fadmin", "/a/%2e%2e/%2e%2e/admin", "/a/..;/admin", "/%5c%5cevil.example", "/a%00",
     "/@evil.example/", "/a%0d%0aHost:evil", "/a%23", "/a%3f@x", "/%E3%80%82%E3%80%82/"],
)  # fmt: skip
async def test_no_path_leads_out_of_the_api(bridge: Bridge, path: str) -> None:
    await bridge.change(proxy={"calendar": (ProxyRule(paths=("/a/**", "/@evil.example/", "/a%23", "/a%3F@x")),)})
    got = await bridge.house.http.send(
        httpx2.Request(
            "GET",
            httpx2.URL(ISSUER).copy_with(raw_path=b"/vault/proxy/calendar" + path.encode()),
            headers={"Authorization": f"Bearer {await bridge.token()}"},
        )
    )
    for seen in bridge.api.seen:  # what does go up is one segment of this API, still encoded
        assert seen.line.startswith(("GET /v3/@", "GET /v3/a%23 ", "GET /v3/a%3F@x ")), seen.line
        assert seen.header("host") == bridge.api.url.removeprefix("http://")
    assert got.status_code in {200, 400, 403, 404}


@proves("proxy.one-reading")
@pytest.mark.parametrize("path", ["/a/x;v=1", "/a/x;v=1?q=2;3", "/a;k/b", "/a/x:y@z", "/a/%C3%A4;%20"])
async def test_what_goes_up_is_what_was_judged(bridge: Bridge, path: str) -> None:
    """An HTTP library that drops the parameters of a path would make of one allowed call another one."""
    assert (await bridge.call("GET", path)).status_code == 200
    assert [seen.line for seen in bridge.api.seen] == [f"GET /v3{path} HTTP/1.1"]


@proves("proxy.one-reading")
async def test_a_rule_for_the_members_is_none_for_the_collection(bridge: Bridge) -> None:
    await bridge.change(proxy={"calendar": (ProxyRule(paths=("/files/*",), methods=("DELETE",)),)})
    for path in ("/files/", "/files/;x", "/files/%3Bx", "/files/;", "/files"):
        assert (await bridge.call("DELETE", path)).status_code in {400, 403}, path
    assert bridge.api.seen == []


@proves("proxy.allow-list")
@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "169.254.169.254", "[::1]", "api.example@evil", "evil\t", "a/b"]
)
async def test_no_host_but_the_connections(bridge: Bridge, host: str) -> None:
    assert (await bridge.call(headers={"Remit-Host": host, "Host": host})).status_code in {400, 403}
    assert bridge.api.seen == []


@proves("outbound.pinned")
async def test_a_host_of_the_connection_at_an_internal_address(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    async def getaddrinfo(*_: Any, **__: Any) -> Any:
        return [(0, 0, 0, "", ("169.254.169.254", 443))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    await bridge.connection(api_base="https://api.example/")
    await bridge.connect("ada", id="there", upstream_id="there", label="there")
    assert (await bridge.call(headers={"Remit-Account": "there"})).status_code == 502
    assert (await bridge.events())[0].about["ended"] == "temporarily_unavailable"


async def raw(bridge: Bridge, request: bytes) -> bytes:
    """What the server says to these bytes before it hangs up, or for half a second."""
    async with bridge.live() as http:
        url = http.base_url
        reader, writer = await asyncio.open_connection(url.host, url.port or 0)
        writer.write(request)
        await writer.drain()
        said = b""
        try:
            async with asyncio.timeout(0.7):
                while piece := await reader.read(65536):
                    said += piece
        except TimeoutError:
            pass
        writer.close()
        return said


SMUGGLED = b"GET /v3/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
FRAMINGS = {
    "both": (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    "two lengths": (b"Content-Length: 0\r\nContent-Length: 40\r\n", SMUGGLED),
    "a list of lengths": (b"Content-Length: 0, 40\r\n", SMUGGLED),
    "a signed length": (b"Content-Length: +5\r\n", b"12345"),
    "an unknown coding": (b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    "two codings": (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"0\r\n\r\n" + SMUGGLED),
    "a space before the colon": (b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n" + SMUGGLED),
    "a bad chunk size": (b"Transfer-Encoding: chunked\r\n", b"5;\n\nhello\r\n0\r\n\r\n"),
    "a fold": (b"X-A: 1\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"hello"),
}


@proves("attack.smuggling")
@pytest.mark.parametrize(("headers", "body"), FRAMINGS.values(), ids=FRAMINGS.keys())
async def test_a_request_inside_a_request(bridge: Bridge, headers: bytes, body: bytes) -> None:
    head = (
        b"POST /vault/proxy/calendar/a HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + (await bridge.token()).encode()
    )
    said = await raw(bridge, head + b"\r\n" + headers + b"\r\n" + body)
    assert not any("smuggled" in seen.line for seen in bridge.api.seen)
    for seen in bridge.api.seen:  # where one reading was taken, it went up framed by us alone
        framing = [name for name, _ in seen.headers if name in {"content-length", "transfer-encoding"}]
        assert len(framing) <= 1, (seen, said)
        assert b"smuggled" not in seen.body


@proves("attack.smuggling")
async def test_two_framings_are_refused_even_if_the_server_before_us_lets_them_through(bridge: Bridge) -> None:
    got = await bridge.call("POST", content=b"hello", headers={"Content-Length": "5", "Transfer-Encoding": "chunked"})
    assert (got.status_code, bridge.api.seen) == (400, [])


@proves("attack.smuggling")
async def test_huge_headers(bridge: Bridge) -> None:
    for header in ("Accept", "X-Other", "Remit-Host"):
        got = await bridge.call(headers={header: "x" * 60_000})
        assert got.status_code == (200 if header == "X-Other" else 403 if header == "Remit-Host" else 400)
    bridge.api.replies(answer("200 OK", b"", "X-Huge: " + "x" * 200_000))
    assert (await bridge.call()).status_code == 502


@proves("attack.smuggling")
@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 99 Odd\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_an_answer_with_two_readings_is_not_passed_on(bridge: Bridge, reply: bytes) -> None:
    bridge.api.replies(reply)
    assert (await bridge.call()).status_code == 502


@proves("attack.smuggling")
async def test_an_answer_to_nobody_is_not_the_next_ones(bridge: Bridge) -> None:
    """A provider that sends two answers to one request: the second must not be what the next caller gets."""
    await bridge.connect("bob", access_token="bobs-token-bobs-token")
    bridge.api.replies(answer("200 OK", b"adas") + answer("200 OK", b"more of adas"), answer("200 OK", b"bobs"))
    assert (await bridge.call()).content == b"adas"
    got = await bridge.call(user="bob")
    assert got.content != b"more of adas"


async def test_the_rules_hold_for_every_agent_by_itself(bridge: Bridge) -> None:
    await bridge.change(proxy={"other": EVERYTHING})
    assert (await bridge.call()).status_code == 403
