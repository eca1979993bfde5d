"""Every page: what it prints, how it behaves in a real browser under the real policy, and for whom it is readable."""

import os
import re
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from pathlib import Path
from shutil import which
from threading import Thread

import pytest
from axe_playwright_python.async_playwright import Axe
from jinja2 import UndefinedError
from msgspec.structs import replace
from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from tests.pages.preview import HOSTILE, MODEL, NOW, SAMPLES, PreviewServer, card

from remit_server.rules.visible import reveal
from remit_server.ui import policy, render, wording
from remit_server.ui.assets import STATIC, Assets
from remit_server.ui.highlight import spans
from remit_server.ui.views.sign_in import SignedOutView

RENDERER = render.Renderer(Assets())
HIDING = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\x00-\x08\x0b-\x1f]")


class Tags(HTMLParser):
    """Which elements and attributes a page consists of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]


def html_of(name: str) -> str:
    return RENDERER.render(render.Page(SAMPLES[name])).decode()


# What a page prints ------------------------------------------------------------------------------------------------


def test_every_template_has_a_sample() -> None:
    shared = {"layout.html", "room.html", "parts.html", "passkey.html", "relations-parts.html"} | {
        "form-post.html"
    }  # which leaves at once: test_way_back.py
    assert {view.template for view in SAMPLES.values()} == {p.name for p in render.TEMPLATES.iterdir()} - shared


@pytest.mark.parametrize("name", SAMPLES)
def test_page_is_plain_html_of_this_origin(name: str) -> None:
    html = html_of(name)
    tags = Tags(html)
    assert html.startswith("<!doctype html>")
    assert len(tags.all("h1")) == len(tags.all("main")) == len(tags.all("title")) == 1
    assert not tags.all("style")
    assert "None" not in html
    for tag, attributes in tags.seen:
        assert not [a for a in attributes if a == "style" or a.startswith("on")], tag
        if tag in {"script", "img", "link"}:
            target = attributes.get("src") or attributes.get("href") or ""
            assert re.fullmatch(r"/static/[a-z0-9-]+-[0-9a-f]{12}\.\w+|/security/qr\?resume=r1", target)
    assert "<script>" not in html
    for form in html.split("<form")[1:]:
        head, body = form.split(">", 1)
        if 'method="post"' in head:
            assert 'name="csrf" value="q3f0csrf"' in body.split("</form")[0]
            assert re.search(r'action="/[a-z]', head)


@pytest.mark.parametrize("name", [n for n in SAMPLES if "hostile" in n])
def test_hostile_text_is_escaped_and_what_it_hides_is_shown(name: str) -> None:
    html = html_of(name)
    tags = Tags(html)
    assert not tags.all("img")
    assert "49 &amp;" not in html
    assert "⟨U+202E⟩" in html
    assert "⟨U+200B⟩" in html
    assert "⟨U+0007⟩" in html
    # What this very person typed goes back as it was; nothing else may hide.
    printed = re.sub(r"<textarea.*?</textarea>|<(?:input|option)\b[^>]*>", "", html, flags=re.DOTALL)
    assert not HIDING.search(printed)


def test_typed_text_goes_back_unchanged() -> None:
    fields = {a.get("name"): a for a in Tags(html_of("sign-in-hostile")).all("input")}
    assert fields["identifier"]["value"] == HOSTILE


def test_a_model_in_colours_is_the_model() -> None:
    for text in (
        MODEL,
        'type a # b\n  define "x: [b#c, d:*]\ncondition e(x: string) {\n  x == "}" # type f\n}\ntype g',
    ):
        assert "\n".join("".join(span.text for span in line) for line in spans(text)) == text.rstrip("\n")
    names = [span.text for line in spans(MODEL) for span in line if span.kind == "name"]
    assert names == [
        "user", "group", "member", "folder", "parent", "viewer", "document", "parent", "owner", "shut_out", "viewer", "until",
    ]  # fmt: skip
    (note,) = [span for line in spans(MODEL) for span in line if span.kind == "note"]
    assert note.text.startswith("# A document")
    assert "group#member" in "".join(span.text for line in spans(MODEL) for span in line if span.kind != "note")


def test_lone_surrogate_does_not_break_the_page() -> None:
    view = replace(card, act="buy \ud800", reason_text="\udfff")
    html = RENDERER.render(render.Page(view)).decode()
    assert "⟨U+D800⟩" in html
    assert "\ud800" not in html


def test_id_is_one_segment_of_a_path() -> None:
    actions = [form.get("action") for form in Tags(html_of("console")).all("form")]
    assert "/console/agents/dcr%2F1/resume" in actions


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoë, naïve, 東京 ☕\ufe0f", "Zoë, naïve, 東京 ☕\ufe0f"),
        ("שלום", "שלום"),
        ("pay\u202e1000", "pay⟨U+202E⟩1000"),
        ("a\u00adb\ufeffc\U000e0041d\u2800e", "a⟨U+00AD⟩b⟨U+FEFF⟩c⟨U+E0041⟩d⟨U+2800⟩e"),
        ("a\nb\x00\ud800", "a⟨U+000A⟩b⟨U+0000⟩⟨U+D800⟩"),
        ("e\u0301\u0301\u0301\u0301", "e\u0301\u0301\u0301⟨U+0301⟩"),
    ],
)
def test_reveal(text: str, shown: str) -> None:
    assert reveal(text) == shown


@pytest.mark.parametrize(
    "target",
    ["javascript:alert(1)", "JavaScript:x", " javascript:x", "java\tscript:x", "data:text/html,x", "vbscript:x"],
)
def test_link_that_runs_as_script_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="not a target"):
        RENDERER.render(render.Page(SignedOutView(return_href=target, return_name="x")))


def test_missing_value_is_an_error_and_not_the_word_none() -> None:
    with pytest.raises(TypeError, match="None"):
        RENDERER.render(render.Page(SignedOutView(return_href="https://app.example/")))


def test_unknown_field_is_an_error() -> None:
    class Wrong(SignedOutView, frozen=True, kw_only=True):
        template = "error.html"

    with pytest.raises(UndefinedError):
        RENDERER.render(render.Page(Wrong()))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0:00"), (9, "0:09"), (252, "4:12"), (3600, "1 h"), (12_000, "3 h 20 min"), (172_800, "2 days")],
)
def test_time_left(seconds: int, text: str) -> None:
    assert wording.left(NOW + seconds, NOW) == text


@pytest.mark.parametrize(
    ("passed", "text"),
    [(5, "just now"), (240, "4 min ago"), (7200, "2 h ago"), (90_000, "yesterday"), (19 * 86400, "3 Nov")],
)
def test_time_since(passed: int, text: str) -> None:
    assert wording.ago(NOW - passed, NOW) == text


def test_host_hides_no_user_part() -> None:
    assert wording.host("https://bank.example@evil.example:8443/x") == "evil.example:8443"
    assert wording.host("com.example.app:/cb") == "com.example.app:"


def test_static_urls_change_with_the_content(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("a{}")
    before = Assets(tmp_path).url("a.css")
    (tmp_path / "a.css").write_text("b{}")
    after = Assets(tmp_path)
    assert after.url("a.css") != before
    assert after.find(before.removeprefix("/static/")) is None
    served = after.find(after.url("a.css").removeprefix("/static/"))
    assert served is not None
    assert "immutable" in served.cache_control
    plain = after.find("a.css")
    assert plain is not None
    assert "immutable" not in plain.cache_control
    assert after.find("../a.css") is None


def test_manifest_names_files_that_exist() -> None:
    manifest = (STATIC / "remit.webmanifest").read_text()
    assert all((STATIC / name).exists() for name in re.findall(r"/static/([^\"]+)", manifest))


def test_policy_lets_nothing_inline_and_nothing_from_elsewhere() -> None:
    said = policy.content_security_policy(["https://app.example"])
    assert "form-action 'self' https://app.example;" in said
    assert "unsafe" not in said
    assert "default-src 'none'" in said
    assert said.endswith("require-trusted-types-for 'script'; trusted-types 'none'")


# In a browser --------------------------------------------------------------------------------------------------------

CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = PreviewServer()
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.url
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI has no Chromium")
        pytest.skip("needs Chromium: install the package chromium")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield running
        await running.close()


async def opened(context: BrowserContext, url: str) -> tuple[Page, list[str]]:
    """The page, and what its console and its scripts complain about."""
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(url)
    return page, complaints


async def spills(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    width: int = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width


WIDTHS = {"a desk": (1280, 900), "a desk at 200 %": (640, 450), "a phone at 200 %": (195, 422), "a phone": (390, 844)}


@pytest.mark.browser
async def test_pages_are_clean_at_every_width(browser: Browser, site: str) -> None:
    """No axe finding (contrast included, in light and in dark), no console or policy error, nothing wider than the window."""
    context = await browser.new_context(reduced_motion="reduce")
    page, complaints = await opened(context, f"{site}/approval")
    # The button that waits has colours of its own, and then those of any other.
    await page.locator("[data-arm]:not([aria-disabled])").wait_for()
    findings: list[str] = []
    for name in SAMPLES:
        if name != "approval":
            await page.goto(f"{site}/{name}")
        for window, (width, height) in WIDTHS.items():
            await page.set_viewport_size({"width": width, "height": height})
            if (by := await spills(page)) > 0:
                findings.append(f"{name}: {by} px wider than {window}")
        if "hostile" not in name:  # odd words have the colours and the structure of any others
            light = await Axe().run(page)
            await page.emulate_media(color_scheme="dark")
            await page.evaluate("Promise.all(document.getAnimations().map(a => a.finished))")
            dark = await page.evaluate("axe.run({runOnly: ['color-contrast']})")  # nothing else depends on the scheme
            await page.emulate_media(color_scheme="light")
            findings += [
                f"{name}: {v['id']} {v['nodes'][0]['target']} {v['nodes'][0]['any'][:1]}"
                for v in (*light.response["violations"], *dark["violations"])
            ]
        findings += [f"{name}: {complaint}" for complaint in complaints]
        complaints.clear()
    await context.close()
    assert not findings, "\n".join(findings)


@pytest.mark.browser
async def test_targets_are_44_px(browser: Browser, site: str) -> None:
    context = await browser.new_context(viewport={"width": 390, "height": 844})
    page = await context.new_page()
    small: list[str] = []
    for name in (
        "sign-in",
        "consent",
        "device-code",
        "approvals",
        "approval",
        "accounts",
        "connect-start",
        "connect-key",
        "activity",
        "console",
        "security",
        "enrol",
        "history",
        "notifications",
        "devices",
        "allowances",
        "stop",
        "approval-message",
        "relations",
        "store",
        "tuples",
        "changes",
        "why-no",
    ):
        await page.goto(f"{site}/{name}")
        small += await page.evaluate(
            """name => [...document.querySelectorAll("a:not(.skip), button, select, summary, input:not([type=hidden])")]
                .filter(e => e.checkVisibility() && !e.closest("p:not(.person, .foot, .more), .timeline"))
                .map(e => [e, (e.closest("label") ?? e).getBoundingClientRect()])
                .filter(([e, box]) => box.height < 43.5 || box.width < 30)
                .map(([e, box]) => `${name}: ${e.outerHTML.slice(0, 80)} ${box.width}x${box.height}`)""",
            name,
        )
    await context.close()
    assert not small, "\n".join(small)


@pytest.mark.browser
async def test_approve_waits_until_it_was_in_view(browser: Browser, site: str) -> None:
    context = await browser.new_context(viewport={"width": 390, "height": 844})
    page = await context.new_page()
    await page.clock.install()
    await page.goto(f"{site}/approval")
    approve = page.get_by_role("button", name="Approve")
    assert await approve.is_disabled()
    await page.wait_for_timeout(150)  # the observer reports in real time; the clock of the page stands still
    assert await approve.is_disabled()
    await approve.press("Enter")
    await approve.evaluate("button => button.click()")
    assert page.url == f"{site}/approval", "answered before its time"
    await page.clock.run_for(700)
    assert await approve.is_enabled()
    await context.close()


@pytest.mark.browser
async def test_countdown_ends_the_card(browser: Browser, site: str) -> None:
    context = await browser.new_context(viewport={"width": 390, "height": 844})
    page = await context.new_page()
    await page.clock.install()
    await page.goto(f"{site}/approval")
    timer = page.get_by_role("timer")
    assert await timer.text_content() == "4:12"
    await page.clock.run_for(10_000)
    assert await timer.text_content() == "4:02"
    await page.clock.run_for(300_000)
    assert await timer.text_content() == "expired"
    assert await page.get_by_text("Expired. Nothing happened.").is_visible()
    assert not await page.get_by_role("button", name="Approve").is_visible()
    await context.close()


@pytest.mark.browser
async def test_card_works_without_javascript_and_by_keyboard(browser: Browser, site: str) -> None:
    context = await browser.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{site}/approval")
    approve = page.get_by_role("button", name="Approve")
    assert await approve.is_enabled()
    assert not await page.get_by_label("In your own words").is_visible()
    await page.locator(".answers summary").first.focus()
    await page.keyboard.press("Enter")
    assert not await approve.is_visible()  # one answer at a time
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await page.keyboard.press("Tab")
    await page.keyboard.type("ask me tomorrow")
    await page.keyboard.press("Tab")  # to what else may be done, which stays shut
    await page.keyboard.press("Tab")
    async with page.expect_request(lambda request: request.method == "POST") as sent:
        await page.keyboard.press("Enter")
    posted = (await sent.value).post_data or ""
    for part in ("csrf=q3f0csrf", "digest=sha-256", "reason=not_me", "reason_text=ask+me+tomorrow", "answer=deny"):
        assert part in posted
    await context.close()


@pytest.mark.browser
async def test_enter_in_the_reason_never_approves(browser: Browser, site: str) -> None:
    context = await browser.new_context(viewport={"width": 390, "height": 844})
    page = await context.new_page()
    await page.goto(f"{site}/approval")
    await page.locator(".answers summary").first.click()
    await page.get_by_role("radio", name="Not now").check()
    async with page.expect_request(lambda request: request.method == "POST") as sent:
        await page.get_by_role("radio", name="Not now").press("Enter")
    assert "answer=deny" in ((await sent.value).post_data or "")
    await context.close()


@pytest.mark.browser
async def test_waiting_for_the_script_moves_nothing(browser: Browser, site: str) -> None:
    context = await browser.new_context(viewport={"width": 390, "height": 844})
    page = await context.new_page()
    await page.goto(f"{site}/approval")
    await page.wait_for_timeout(1100)
    shift = await page.evaluate(
        """() => new Promise(done => { let sum = 0;
            new PerformanceObserver(list => { for (const e of list.getEntries()) sum += e.value; })
                .observe({type: "layout-shift", buffered: true});
            setTimeout(() => done(sum), 50); })"""
    )
    await context.close()
    assert shift == 0


@pytest.mark.browser
async def test_answers_stay_at_the_thumb(browser: Browser, site: str) -> None:
    context = await browser.new_context(viewport={"width": 390, "height": 600})
    page = await context.new_page()
    await page.goto(f"{site}/approval")
    box = await page.get_by_role("button", name="Approve").bounding_box()
    await context.close()
    assert box is not None
    assert 500 < box["y"] + box["height"] <= 600


@pytest.mark.browser
async def test_return_page_goes_on_without_script_or_form(browser: Browser, site: str) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{site}/return")
    await page.wait_for_url("**/return#code=abc&state=xyz")
    await context.close()


@pytest.mark.browser
async def test_what_is_edited_is_read_aloud(browser: Browser, site: str) -> None:
    context = await browser.new_context(viewport={"width": 390, "height": 844})
    page, complaints = await opened(context, f"{site}/approval-high")
    signs = page.locator(".signs")
    assert await signs.inner_text() == "Your passkey signs: buy 10 shares of ZEKO"
    await page.get_by_role("textbox", name="Shares").fill("8")
    await page.get_by_text("You would approve: buy 8 shares of ZEKO").wait_for()
    assert await signs.inner_text() == "Your passkey signs: buy 8 shares of ZEKO"
    await context.close()
    assert not complaints
