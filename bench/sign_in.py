"""Sign in as a browser without JavaScript would, once, and keep the session's cookies, or get tokens with them."""

import html.parser
import urllib.parse

import httpx2

from bench.flows import AUTHORIZE, CHALLENGE, REDIRECT_URI, VERIFIER


class FirstForm(html.parser.HTMLParser):
    """The first form of a page: where it goes, what it carries, and which fields a person fills in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.types: dict[str, str] = {}
        self.open = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and self.action is None:
            self.action, self.open = given.get("action", ""), True
        elif self.open and tag in {"input", "button"} and "name" in given and given["name"] not in self.fields:
            self.fields[given["name"]] = given.get("value", "")
            self.types[given["name"]] = given.get("type", "text")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.open = False


def sign_in(port: int, email: str, password: str) -> str:
    """Returns the Cookie header of a session for which /authorize now answers with a code at once."""
    origin = f"http://127.0.0.1:{port}"
    with httpx2.Client(base_url=origin, timeout=10) as http:
        answer = http.get(AUTHORIZE)
        for _ in range(12):
            location = answer.headers.get("location", "")
            if location.startswith(REDIRECT_URI):
                return "; ".join(f"{cookie.name}={cookie.value}" for cookie in http.cookies.jar if cookie.path == "/")
            if answer.is_redirect:
                answer = http.get(urllib.parse.urljoin(str(answer.url), location))
                continue
            form = FirstForm(answer.text)
            if answer.status_code != 200 or form.action is None:
                break
            for name, kind in form.types.items():
                if kind == "password":
                    form.fields[name] = password
                elif kind in {"email", "text"}:
                    form.fields[name] = email
            where = urllib.parse.urljoin(str(answer.url), form.action)
            answer = http.post(where, data=form.fields, headers={"Origin": origin})
    raise RuntimeError(f"signing in ended at {answer.url}: {answer.status_code}\n{answer.text[:1500]}")


def grant(port: int, cookie: str, client: str, secret: str, **asked: str) -> dict[str, str]:
    """Tokens for a client, of a code flow with a session that is there."""
    query = {
        "client_id": client, "response_type": "code", "redirect_uri": REDIRECT_URI, "state": "x",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256", **asked,
    }  # fmt: skip
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
        answer = http.get("/authorize?" + urllib.parse.urlencode(query), headers={"Cookie": cookie})
        back = urllib.parse.urlsplit(answer.headers.get("location", ""))
        code = dict(urllib.parse.parse_qsl(back.query)).get("code")
        if code is None:
            raise RuntimeError(f"no code: {answer.status_code} {answer.headers.get('location')}\n{answer.text[:500]}")
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER,
        }  # fmt: skip
        found: dict[str, str] = http.post("/oauth/token", data=form, auth=(client, secret)).json()
    return found
