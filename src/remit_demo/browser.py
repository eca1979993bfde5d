"""A person at a browser without JavaScript: opens pages, reads them, fills in forms, presses buttons. Only passkeys it can, as
no page has them without a script.

``remit demo --check`` plays Ada with it. It knows nothing of the pages but what stands on them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin

import httpx2

from remit_demo.phone import Phone

_MAX_REFRESHES = 5
_UNSEEN = {"script", "style", "template", "title", "noscript"}


class PageProblem(AssertionError):
    """The page is not what the person expected; says what stands there instead."""


@dataclass(slots=True)
class Button:
    """Something that submits a form."""

    label: str
    name: str | None
    value: str


@dataclass(slots=True)
class Form:
    """A form: where it goes, its fields as they would be sent now, its buttons."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    blanks: set[str] = field(default_factory=set)
    buttons: list[Button] = field(default_factory=list)
    data: dict[str, str] = field(default_factory=dict)
    """Its ``data-`` attributes, for the page's script."""


@dataclass(slots=True)
class Link:
    """An anchor."""

    label: str
    href: str


@dataclass(slots=True)
class Page:
    """What the browser shows."""

    url: str
    status: int
    text: str
    title: str
    forms: list[Form]
    links: list[Link]

    def form(self, button: str) -> tuple[Form, Button]:
        """Return the form with a button whose label begins with ``button``, and that button.

        Raises:
            PageProblem: there is none.
        """
        for form in self.forms:
            for candidate in form.buttons:
                if candidate.label.casefold().startswith(button.casefold()):
                    return form, candidate
        raise PageProblem(f"no button {button!r} at {self.url} ({self.status}): {self.text[:300]!r}")

    def offers(self, button: str) -> bool:
        """Tell whether :meth:`form` would find the button."""
        return any(b.label.casefold().startswith(button.casefold()) for form in self.forms for b in form.buttons)

    def says(self, *sentences: str) -> bool:
        """Tell whether every sentence stands on the page, whatever its case."""
        return all(sentence.casefold() in self.text.casefold() for sentence in sentences)

    def must_say(self, *sentences: str) -> None:
        """Insist on :meth:`says`.

        Raises:
            PageProblem: names the missing sentence.
        """
        for sentence in sentences:
            if not self.says(sentence):
                raise PageProblem(f"{self.url} ({self.status}) does not say {sentence!r}: {self.text[:600]!r}")


class Browser:
    """One browser profile: its cookies, and the page that it shows.

    Args:
        phone: makes passkeys and signs with them.
    """

    def __init__(self, phone: Phone | None = None) -> None:
        self._phone = phone
        self._http = httpx2.AsyncClient(follow_redirects=True, timeout=15, headers={"Accept": "text/html"})
        self._page: Page | None = None

    @property
    def page(self) -> Page:
        """The page that is open."""
        assert self._page is not None, "no page is open"
        return self._page

    async def open(self, url: str) -> Page:
        """Follow a link."""
        return await self._show(await self._http.get(url))

    async def follow(self, label: str) -> Page:
        """Follow the link of the open page whose label contains ``label``.

        Raises:
            PageProblem: there is none.
        """
        for link in self.page.links:
            if label.casefold() in link.label.casefold():
                return await self.open(urljoin(self.page.url, link.href))
        raise PageProblem(f"no link {label!r} at {self.page.url}: {self.page.text[:300]!r}")

    async def press(self, button: str, fill: Mapping[str, str] | None = None) -> Page:
        """Fill in a form of the open page and press one of its buttons.

        Args:
            button: how the button's label begins.
            fill: field name -> text; only fields that the form has can be filled.

        Raises:
            PageProblem: no such button, or no such field.
        """
        form, pressed = self.page.form(button)
        fill = fill or {}
        if unknown := set(fill) - form.blanks:
            raise PageProblem(f"the form at {self.page.url} has no field {', '.join(sorted(unknown))}")
        sent = [(name, fill.get(name, value)) for name, value in form.fields]
        sent += [(name, text) for name, text in fill.items() if name not in dict(form.fields)]
        if pressed.name:
            sent.append((pressed.name, pressed.value))
        if form.method == "get":
            return await self._show(await self._http.get(urljoin(self.page.url, form.action), params=urlencode(sent)))
        sent += await self._signed(form, sent)
        return await self._show(await self._post(form.action, sent))

    async def forge(self, url: str, **fields: str) -> Page:
        """Post what no page offers, with the open page's own token against forgery.

        Raises:
            PageProblem: the open page has no such token.
        """
        for form in self.page.forms:
            if token := dict(form.fields).get("csrf"):
                return await self._show(await self._post(url, [("csrf", token), *fields.items()]))
        raise PageProblem(f"no token at {self.page.url}: {self.page.text[:300]!r}")

    async def _post(self, action: str, sent: list[tuple[str, str]]) -> httpx2.Response:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": urljoin(self.page.url, "/")[:-1]}
        return await self._http.post(urljoin(self.page.url, action), content=urlencode(sent), headers=headers)

    async def _signed(self, form: Form, sent: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """What the page's script would fill in with the phone's help; its fields are hidden ones, taken out of ``sent``."""
        name = "assertion" if "prove" in form.data else "credential" if "passkey" in form.data else None
        if self._phone is None or name is None:
            return []
        sent[:] = [pair for pair in sent if pair[0] != name]
        if name == "assertion":
            return [(name, self._phone.get((await self._post(form.data["prove"], sent)).json()))]
        use = self._phone.create if form.data["passkey"] == "create" else self._phone.get
        return [(name, use(json.loads(form.data["options"])))]

    async def close(self) -> None:
        """Close the window."""
        await self._http.aclose()

    async def _show(self, response: httpx2.Response) -> Page:
        """Read a page; one that sends the browser on at once is followed, as a browser does."""
        for _ in range(_MAX_REFRESHES):
            reader = self._read(response)
            if reader.goes_on_to is None:
                break
            response = await self._http.get(urljoin(str(response.url), reader.goes_on_to))
        return self.page

    def _read(self, response: httpx2.Response) -> _Reader:
        reader = _Reader()
        reader.feed(response.text)
        reader.close()
        text = " ".join("".join(reader.text).split())
        title = " ".join("".join(reader.title).split())
        self._page = Page(str(response.url), response.status_code, text, title, reader.forms, reader.links)
        return reader


class _Reader(HTMLParser):
    """Collects what a person can see and do. Controls may stand outside their form and name it (``form=id``)."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.title: list[str] = []
        self.forms: list[Form] = []
        self.links: list[Link] = []
        self.goes_on_to: str | None = None
        self._by_id: dict[str, Form] = {}
        self._form: Form | None = None
        self._unseen: list[str] = []
        self._button: Button | None = None
        self._link: Link | None = None
        self._textarea: tuple[Form, str, list[str]] | None = None
        self._select: tuple[Form, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attrs}
        self.text.append(" ")
        match tag:
            case _ if tag in _UNSEEN:
                self._unseen.append(tag)
            case "meta" if at.get("http-equiv", "").lower() == "refresh":
                seconds, _, target = at.get("content", "").partition(";")
                if seconds.strip() == "0" and target:
                    self.goes_on_to = target.strip().removeprefix("url=")
            case "form":
                data = {name[5:]: value for name, value in at.items() if name.startswith("data-")}
                self._form = Form(at.get("action", ""), at.get("method", "get").lower(), data=data)
                self.forms.append(self._form)
                if "id" in at:
                    self._by_id[at["id"]] = self._form
            case "a" if "href" in at:
                self._link = Link("", at["href"])
                self.links.append(self._link)
            case "input" | "textarea" | "select" | "button" | "option" if "disabled" not in at:
                self._control(tag, at)

    def _control(self, tag: str, at: dict[str, str]) -> None:
        form = self._by_id.get(at["form"]) if "form" in at else self._form
        if tag == "option":
            if self._select and ("selected" in at or self._select[1] not in dict(self._select[0].fields)):
                chosen, name = self._select
                chosen.fields = [pair for pair in chosen.fields if pair[0] != name] + [(name, at.get("value", ""))]
            return
        if form is None:
            return
        name, kind = at.get("name", ""), at.get("type", "submit" if tag == "button" else "text").lower()
        if kind == "submit":
            self._button = Button(at.get("value", "") if tag == "input" else "", name or None, at.get("value", ""))
            form.buttons.append(self._button)
            if tag == "input":
                self._button = None
        elif name and tag == "textarea":
            form.blanks.add(name)
            self._textarea = (form, name, [])
        elif name and tag == "select":
            form.blanks.add(name)
            self._select = (form, name)
        elif name and kind in {"checkbox", "radio"}:
            form.blanks.add(name)
            if "checked" in at:
                form.fields.append((name, at.get("value", "on")))
        elif name and kind not in {"button", "reset", "image", "file"}:
            if kind != "hidden":
                form.blanks.add(name)
            form.fields.append((name, at.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        self.text.append(" ")
        if self._unseen and tag == self._unseen[-1]:
            self._unseen.pop()
        elif tag == "form":
            self._form = None
        elif tag == "button":
            self._button = None
        elif tag == "a":
            self._link = None
        elif tag == "select":
            self._select = None
        elif tag == "textarea" and self._textarea:
            form, name, written = self._textarea
            form.fields.append((name, "".join(written)))
            self._textarea = None

    def handle_data(self, data: str) -> None:
        if self._unseen:
            if self._unseen[-1] == "title":
                self.title.append(data)
            return
        if self._textarea:
            self._textarea[2].append(data)
            return
        self.text.append(data)
        if self._button:
            self._button.label = " ".join(f"{self._button.label} {data}".split())
        if self._link:
            self._link.label = " ".join(f"{self._link.label} {data}".split())
