"""The browser without JavaScript that plays Ada: it must do no more and no less than a person could."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.routing import Route

from remit_demo.browser import Browser, PageProblem
from remit_demo.serving import loopback_socket, served

PAGE = """<!doctype html><title>A &amp; B</title><style>p { color: red }</style>
<p>Hello <b>Ada</b>,<br>you have 2 messages.</p><a href="/next?a=1"><span>Go</span> <em>there</em></a>
<form action="/echo" method="post" id="f">
  <input type="hidden" name="csrf" value="c&quot;1">
  <input name="name" value="old"><textarea name="why">because</textarea>
  <input type="checkbox" name="tick" value="a" checked><input type="checkbox" name="tick" value="b">
  <input type="radio" name="pick" value="x"><input type="radio" name="pick" value="y" checked>
  <select name="size"><option value="s">S</option><option value="m" selected>M</option></select>
  <input name="off" value="1" disabled><input type="file" name="file">
  <button name="answer" value="no">No, <b>thanks</b></button><button type="button">Nothing</button>
</form>
<button form="f" name="answer" value="yes">Yes</button><script>document.write("unseen")</script>"""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    async def page(_: Request) -> HTMLResponse:
        return HTMLResponse(PAGE, headers={"Set-Cookie": "seen=1; HttpOnly"})

    async def echo(request: Request) -> JSONResponse:
        sent = (await request.body()).decode()
        return JSONResponse({"sent": sent, "origin": request.headers["origin"], "cookie": request.cookies.get("seen")})

    async def hop(_: Request) -> RedirectResponse:
        return RedirectResponse("/", 303)

    routes = [Route("/", page), Route("/echo", echo, methods=["POST"]), Route("/next", hop)]
    with served(Starlette(routes=routes), loopback_socket()) as url:
        yield url


@pytest.fixture
async def browser(site: str) -> AsyncIterator[Browser]:
    browser = Browser()
    await browser.open(site)
    yield browser
    await browser.close()


async def test_it_reads_what_a_person_would(browser: Browser) -> None:
    assert browser.page.title == "A & B"
    browser.page.must_say("Hello Ada , you have 2 messages.")
    assert not browser.page.says("unseen")
    assert not browser.page.says("color")
    with pytest.raises(PageProblem, match="does not say"):
        browser.page.must_say("3 messages")


async def test_a_button_sends_its_form_as_it_stands(browser: Browser, site: str) -> None:
    page = await browser.press("no, thanks")
    sent = "csrf=c%221&name=old&why=because&tick=a&pick=y&size=m&answer=no"
    assert page.text == f'{{"sent":"{sent}","origin":"{site}","cookie":"1"}}'


async def test_fields_are_filled_in(browser: Browser) -> None:
    page = await browser.press("Yes", {"name": "Ada & Co", "why": ""})
    assert "name=Ada+%26+Co&why=&" in page.text
    assert "answer=yes" in page.text


@pytest.mark.parametrize("name", ["csrf", "off", "nobody"])
async def test_what_a_person_cannot_fill_in_stays_shut(browser: Browser, name: str) -> None:
    with pytest.raises(PageProblem, match="no field"):
        await browser.press("Yes", {name: "x"})


async def test_a_button_that_is_not_there_is_a_problem(browser: Browser) -> None:
    assert not browser.page.offers("Nothing")
    with pytest.raises(PageProblem, match="no button"):
        await browser.press("Approve")


async def test_a_link_is_followed_through_redirects(browser: Browser, site: str) -> None:
    page = await browser.follow("go there")
    assert (page.url, page.status) == (f"{site}/", 200)
