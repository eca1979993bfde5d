"""Which call a request becomes, in which form, and what of an answer comes back: tables."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from base64 import b64encode, urlsafe_b64encode
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import pytest
from tests.ledger import proves

from remit_server.errors import Forbidden, InvalidRequest
from remit_server.records import Connection, ProxyRule
from remit_server.records.provider import Credential
from remit_server.rules import proxying
from remit_server.rules.echo import Inflate, Mask
from remit_server.rules.proxying import (
    Asked,
    judge,
    links_back,
    mapped_back,
    normalised,
    range_of,
    returned,
    template_fault,
)

ALL = (ProxyRule(paths=("/**",), methods=("GET", "POST", "DELETE")),)
HERE = "https://remit.example/vault/proxy/calendar"


def connection(**more: Any) -> Connection:
    members = {
        "name": "calendar", "provider": "oauth2", "api_base": "https://api.example/v3/", "proxy": ALL,
        "api_hosts": ("files.example",),
    }  # fmt: skip
    return Connection(**{**members, **more})


def url_of(path: str, *, rules: tuple[ProxyRule, ...] = ALL, method: str = "GET", **more: Any) -> str:
    to = {name: more.pop(name) for name in ("query", "host") if name in more}
    return judge(Asked(method=method, path=path, **to), connection(**more), rules).url


@pytest.mark.parametrize(
    ("path", "becomes"),
    [
        ("/", "/"), ("/a/b", "/a/b"), ("/a/", "/a/"), ("/a%2db", "/a-b"), ("/%61", "/a"), ("/a%c3%a4", "/a%C3%A4"),
        ("/ada%40example.com", "/ada%40example.com"), ("/ada@example.com", "/ada@example.com"), ("/a;v=1", "/a;v=1"),
        ("/...", "/..."), ("/.well-known/x", "/.well-known/x"), ("/a%20b", "/a%20b"), ("/x:verb", "/x:verb"),
        ("/%E6%97%A5", "/%E6%97%A5"), ("/a%2Eb", "/a.b"),
    ],
)  # fmt: skip
@proves("proxy.one-reading")
def test_a_path_has_one_form(path: str, becomes: str) -> None:
    assert normalised(path) == becomes
    assert normalised(becomes) == becomes
    assert url_of(path) == "https://api.example/v3" + becomes


@pytest.mark.parametrize(
    "path",
    [
        "", "a", "//", "//evil.example/", "/a//b", "/.", "/..", "/a/../b", "/a/./b", "/a/..", "/%2e%2e/b", "/%2E./b", "/.%2e",
        "/a%2fb", "/a%2Fb", "/a%5cb", "/a\\b", "/a%252e", "/a%25", "/a%", "/a%2", "/a%zz", "/a?b", "/a#b", "/a b", "/a%00",
        "/a%0d%0aX:y", "/a%7f", "/\r\n", "/ä", "/%ff", "/%c0%af", "/%c0%ae%c0%ae/", "/..;/a", "/..;x=1/a", "/.;/a",
        "/a/;x", "/;x/a", "/a/%3bx",
        "/%E2%80%A5/a", "/a%EF%BC%8Fb", "/%EF%BC%8E%EF%BC%8E/a", "/a%EF%BC%BCb", "/a%C2%85", "/a%EF%BC%85", "/a<b>", '/a"',
        "/a|b", "/a^b", "/a`b", "/a{b}", "/" + "a" * 5000,
    ],
)  # fmt: skip
@proves("proxy.one-reading")
def test_a_path_with_two_readings_is_refused(path: str) -> None:
    with pytest.raises(InvalidRequest):
        normalised(path)


@pytest.mark.parametrize(
    ("template", "path", "covered"),
    [
        ("/calendars/*/events", "/calendars/primary/events", True),
        ("/calendars/*/events", "/calendars/primary/events/7", False),
        ("/calendars/*/events", "/calendars//events", False),
        ("/calendars/*/events", "/calendars/a/b/events", False),
        ("/calendars/*/events", "/calendars/primary/events/", False),
        ("/calendars/*", "/calendars/", False),
        ("/calendars/**", "/calendars", True),
        ("/calendars/**", "/calendars/", True),
        ("/calendars/**", "/calendars/a/b:c", True),
        ("/calendars/**", "/calendarsx", False),
        ("/**", "/anything", True),
        ("/**", "/", True),
        ("/", "/", True),
        ("/documents/*", "/documents/7", True),
        ("/documents/*", "/documents/7:batchUpdate", False),
        ("/documents/*", "/documents/7%3AbatchUpdate", False),
        ("/documents/*:batchUpdate", "/documents/7:batchUpdate", True),
        ("/documents/*:batchUpdate", "/documents/7:delete", False),
        ("/people/*", "/people/ada%40example.com", True),
        ("/people/ada", "/people/Ada", False),
        ("/a.b", "/aXb", False),
    ],
)
@proves("proxy.allow-list")
def test_templates(template: str, path: str, covered: bool) -> None:
    rules = (ProxyRule(paths=(template,)),)
    for agent, bound in ((rules, ALL), (ALL, rules)):
        if covered:
            assert url_of(path, rules=agent, proxy=bound).endswith("/v3" + path)
        else:
            with pytest.raises((Forbidden, InvalidRequest)):
                url_of(path, rules=agent, proxy=bound)


@proves("proxy.allow-list")
def test_what_no_rule_names_is_refused() -> None:
    for rules, bound in (((), ALL), (ALL, ()), ((), ())):
        with pytest.raises(Forbidden):
            url_of("/a", rules=rules, proxy=bound)
    # Two rules do not add up to what neither allows.
    split = (ProxyRule(paths=("/a",), methods=("GET",)), ProxyRule(paths=("/b",), methods=("DELETE",)))
    assert url_of("/b", rules=split, method="DELETE")
    with pytest.raises(Forbidden):
        url_of("/a", rules=split, method="DELETE")


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "get", "GE T", "G\r\n", "", "X" * 40, "PUT", "OPTIONS"])
@proves("proxy.allow-list")
def test_methods(method: str) -> None:
    everything = (ProxyRule(paths=("/**",), methods=("GET", "CONNECT", "TRACE", "get")),)
    with pytest.raises(Forbidden):
        url_of("/a", rules=everything, proxy=everything, method=method)
    assert url_of("/a", rules=everything, proxy=everything, method="HEAD"), "where GET is allowed"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        (None, "https://api.example/v3/a"), ("api.example", "https://api.example/v3/a"), ("API.example", "https://api.example/v3/a"),
        ("files.example", "https://files.example/a"), ("evil.example", None), ("api.example@evil.example", None),
        ("files.example:8443", None), ("api.example.", None), ("127.0.0.1", None), ("", "https://api.example/v3/a"),
    ],
)  # fmt: skip
@proves("proxy.allow-list")
def test_hosts(host: str | None, url: str | None) -> None:
    both = (ProxyRule(paths=("/**",), hosts=("api.example", "files.example", "evil.example", "127.0.0.1")),)
    if url:
        assert url_of("/a", host=host, rules=both, proxy=both) == url
    else:
        with pytest.raises(Forbidden):
            url_of("/a", host=host, rules=both, proxy=both)


@proves("proxy.allow-list")
def test_a_rule_without_hosts_is_for_the_home_of_the_api() -> None:
    with pytest.raises(Forbidden):
        url_of("/a", host="files.example")


def test_a_connection_without_an_api_is_not_called() -> None:
    with pytest.raises(Forbidden):
        url_of("/a", api_base=None)


@pytest.mark.parametrize("query", ["a=1&b=%20x", "filter[name]=x", "q=a%0Ab", "", "a=b=c", "t=10:30", "next=/a?b"])
def test_a_query_goes_up_as_it_is(query: str) -> None:
    assert url_of("/a", query=query) == "https://api.example/v3/a" + (f"?{query}" if query else "")


@pytest.mark.parametrize(
    "query",
    ["a b", "a=\r\n", "a#b", "a=<x>", "ä=1", "a=%", "a=%zz", "access_token=x", "x=1&ACCESS%5Ftoken=x", "x;access_token=1",
     "+access_token=x", "x" * 9000, "key=mine"],
)  # fmt: skip
def test_a_query_that_brings_credentials_or_has_two_readings(query: str) -> None:
    with pytest.raises(InvalidRequest):
        url_of("/a", query=query, credential=Credential(query="key"))


@pytest.mark.parametrize("name", ["_method", "method", "METHOD", "%5Fmethod", "X-HTTP-Method-Override", "$httpMethod"])
@proves("proxy.allow-list")
def test_a_query_does_not_make_another_method_of_it(name: str) -> None:
    for value in ("DELETE", "delete", "%64elete"):
        with pytest.raises(InvalidRequest):
            url_of("/a", query=f"x=1&{name}={value}")
    for query in (f"{name}=get", f"{name}=user.getinfo", "payment_method=DELETE"):
        assert url_of("/a", query=query).endswith(query)


@pytest.mark.parametrize(
    ("template", "well"),
    [
        ("/a/*", True), ("/a/**", True), ("/**", True), ("/", True), ("/a*b/c", True), ("a", False), ("/a/**/b", False),
        ("/a**", False), ("/../a", False), ("/a//b", False), ("/a%2Fb", False), ("/%61", False), ("/a?b", False), ("", False),
    ],
)  # fmt: skip
def test_a_template_that_could_match_nothing_is_seen(template: str, well: bool) -> None:
    assert (template_fault(template) is None) is well


class TestHeadersUp:
    @proves("proxy.identity")
    def test_only_those_of_the_list(self) -> None:
        sent = [
            ("accept", "application/json"), ("content-type", "text/plain"), ("idempotency-key", "1"), ("prefer", "x"),
            ("authorization", "DPoP abc"), ("dpop", "proof"), ("cookie", "a=b"), ("host", "evil"), ("forwarded", "for=1"),
            ("x-forwarded-for", "1.2.3.4"), ("x-real-ip", "1"), ("proxy-authorization", "x"), ("via", "x"), ("te", "x"),
            ("transfer-encoding", "chunked"), ("content-length", "5"), ("connection", "x"), ("upgrade", "h2c"),
            ("x-http-method-override", "DELETE"), ("x-api-key", "mine"), ("x-anything", "1"), ("expect", "100-continue"),
            ("accept-encoding", "gzip"), ("remit-account", "x"), ("user-agent", "agent"), ("origin", "x"), ("range", "x"),
        ]  # fmt: skip
        passed = proxying.forwarded(sent, connection())
        assert [name for name, _ in passed] == ["accept", "content-type", "idempotency-key", "prefer"]

    def test_an_operator_adds_some_and_never_those(self) -> None:
        named = ("X-Goog-FieldMask", "Authorization", "Cookie", "X-Forwarded-For", "X-HTTP-Method-Override", "Host")
        sent = [(name.lower(), "x") for name in named]
        assert proxying.forwarded(sent, connection(proxy_headers=named)) == [("x-goog-fieldmask", "x")]
        assert [name for name in named if proxying.may_be_forwarded(name)] == ["X-Goog-FieldMask"]

    def test_what_every_call_needs_is_there(self) -> None:
        notion = connection(api_headers={"Notion-Version": "2022-06-28"})
        assert proxying.forwarded([], notion) == [("notion-version", "2022-06-28")]
        assert proxying.forwarded([("notion-version", "2025")], notion) == [("notion-version", "2025")]

    @proves("proxy.identity")
    def test_the_header_of_the_credential_is_ours(self) -> None:
        keyed = connection(credential=Credential(header="X-Api-Key", prefix=""), proxy_headers=("X-Api-Key",))
        assert proxying.forwarded([("x-api-key", "mine")], keyed) == []

    @pytest.mark.parametrize("value", ["x" * 9000, "a\nb", "a\rb", "a\0b"])
    def test_malformed_or_huge(self, value: str) -> None:
        with pytest.raises(InvalidRequest):
            proxying.forwarded([("accept", value)], connection())
        with pytest.raises(InvalidRequest):
            proxying.forwarded([("accept", "x" * 8000)] * 5, connection())

    @pytest.mark.parametrize(
        ("value", "goes"),
        [
            ("bytes=0-65535", True), ("bytes=5-", True), ("bytes=-70000", True), ("bytes=0-65534", False), ("bytes=-9", False),
            ("bytes=9-8", False), ("bytes=0-70000,80000-90000000", False), ("items=0-", False), (None, False), ("bytes=-", False),
        ],
    )  # fmt: skip
    @proves("proxy.no-echo")
    def test_ranges_too_small_to_recognise_a_credential_in_are_not_asked_for(
        self, value: str | None, goes: bool
    ) -> None:
        assert (range_of(value) is not None) is goes


class TestHeadersBack:
    @proves("proxy.identity")
    def test_what_is_between_the_provider_and_us_stays_here(self) -> None:
        kept = returned(
            [
                ("Content-Type", "text/html"), ("ETag", '"x"'), ("X-RateLimit-Remaining", "7"), ("Set-Cookie", "a=b"),
                ("WWW-Authenticate", 'Bearer error="insufficient_scope"'), ("Connection", "close, X-Hop"), ("X-Hop", "1"),
                ("Keep-Alive", "1"), ("Transfer-Encoding", "chunked"), ("Content-Length", "5"), ("Trailer", "x"),
                ("DPoP-Nonce", "theirs"), ("Remit-Upstream", "forged"), ("Access-Control-Allow-Origin", "*"),
                ("Location", "https://evil.example/"), ("Cache-Control", "public, max-age=60"), ("Alt-Svc", "h3"),
                ("Content-Encoding", "gzip"), ("Strict-Transport-Security", "max-age=1"), ("Refresh", "0; url=//evil"),
            ],
            secrets=(),
        )  # fmt: skip
        assert kept == [
            ("content-type", "text/html"), ("etag", '"x"'), ("x-ratelimit-remaining", "7"),
            ("remit-upstream-authenticate", 'Bearer error="insufficient_scope"'), ("cache-control", "no-store"),
            ("content-security-policy", "sandbox; default-src 'none'"), ("x-content-type-options", "nosniff"),
        ]  # fmt: skip

    @proves("proxy.no-echo")
    def test_a_header_with_the_credential_in_it(self) -> None:
        found = returned([("X-Echo", "Bearer t0ken-t0ken"), ("X-Other", "1")], secrets=("t0ken-t0ken",))
        assert "x-other" in dict(found)
        assert "x-echo" not in dict(found)

    @pytest.mark.parametrize(
        ("location", "mapped"),
        [
            ("https://api.example/v3/a?b=1", f"{HERE}/a?b=1"), ("/v3/a", f"{HERE}/a"), ("b", f"{HERE}/x/b"),
            ("https://evil.example/v3/a", None), ("http://api.example/v3/a", None), ("/other", None), ("//evil.example/v3/a", None),
            ("https://api.example/v3/../a", None), ("https://api.example/v33/a", None),
            ("https://api.example@evil.example/v3/a", None),
            ("https://api.example:8443/v3/a", None), ("/v3/a?access_token=t", None), ("https://[", None),
            ("https://files.example/a", None), ("javascript:x", None),
        ],
    )  # fmt: skip
    @proves("proxy.no-redirects")
    def test_a_location_leads_back_here_or_nowhere(self, location: str, mapped: str | None) -> None:
        call = judge(Asked(method="GET", path="/x/y"), connection(), ALL)
        assert mapped_back(location, call, connection(), HERE) == mapped

    @proves("proxy.no-redirects")
    def test_at_another_host_it_leads_there_again(self) -> None:
        other = connection(api_hosts=("files.example",), proxy=(ProxyRule(paths=("/**",), hosts=("files.example",)),))
        call = judge(Asked(method="GET", path="/x", host="files.example"), other, other.proxy)
        for location, mapped in (
            ("/a", f"{HERE}/a"),
            ("https://files.example/b", f"{HERE}/b"),
            ("https://api.example/v3/a", None),
        ):
            assert mapped_back(location, call, other, HERE) == mapped

    @pytest.mark.parametrize(
        ("link", "mapped"),
        [
            ('<https://api.example/v3/a?page=2>; rel="next", <https://api.example/v3/a?page=9>; rel="last"',
             f'<{HERE}/a?page=2>; rel="next", <{HERE}/a?page=9>; rel="last"'),
            ('<a,b?page=2>;rel=next', f'<{HERE}/x/a,b?page=2>;rel=next'),
            ('<?page=2>; rel="next"; title="a, <b>; \\"c\\""', f'<{HERE}/x/y?page=2>; rel="next"; title="a, <b>; \\"c\\""'),
            ('<https://evil.example/v3/a>; rel="next", </v3/b>; rel="last"', f'<{HERE}/b>; rel="last"'),
            ('<https://evil.example/v3/a>; rel="next"', None), ("<http://api.example/v3/a>; rel=next", None),
            ('</v3/a>; rel=next; anchor="https://api.example/v3/z"', None), ("</v3/a>; rel=next; ANCHOR=x", None),
            ("</v3/a?access_token=t>; rel=next", None), ("</v3/%2e%2e/a>; rel=next", None),
            ('</v3/a>; rel="next, <https://evil.example>; rel=x', None), ("</v3/a> </v3/b>; rel=next", None),
            ("</v3/a>; rel=next, nonsense", None), ("", None), (",,", None), ("<" * 8000, None), ("</a>" + " ;" * 8000 + "=", None),
            ('</a>;x="' + "\\" * 8001, None),
        ],
    )  # fmt: skip
    @proves("proxy.no-redirects")
    def test_links_lead_back_here_or_nowhere(self, link: str, mapped: str | None) -> None:
        call = judge(Asked(method="GET", path="/x/y"), connection(), ALL)
        assert links_back(link, call, connection(), HERE) == mapped


SECRET = "ya29.A0AfH6SMB/x+y=z-0123456789_abcdef"
ECHOES = [
    SECRET, f"Bearer {SECRET}", json.dumps({"Authorization": f"Bearer {SECRET}"}), quote(SECRET, safe=""),
    json.dumps(SECRET).replace("/", "\\/"), SECRET.replace("+", "\\u002B"), quote(SECRET),
    re.sub("%..", lambda each: each[0].lower(), quote(SECRET, safe="")),
    *(b64encode(("x" * n + SECRET + "yz").encode()).decode() for n in range(4)),
    *(urlsafe_b64encode(("x" * n + SECRET).encode()).decode() for n in range(3)), SECRET * 3, SECRET[:-1] + SECRET,
]  # fmt: skip


def leaks(text: bytes, size: int = 12) -> bool:
    """Whether a piece of the secret, or of its other spellings, can be read."""
    spellings = [
        SECRET,
        quote(SECRET, safe=""),
        *(b64encode(("x" * n + SECRET).encode()).decode()[8:-4] for n in range(3)),
    ]
    whole = text.decode("latin-1").replace("\\/", "/")
    return any(spelt[at : at + size] in whole for spelt in spellings for at in range(len(spelt) - size))


class TestMask:
    @pytest.mark.parametrize("echo", ECHOES)
    @proves("proxy.no-echo")
    def test_wherever_the_border_falls(self, echo: str) -> None:
        body = f"before {echo} after".encode()
        assert leaks(body), "the test would see it"
        for cut in range(len(body) + 1):
            mask = Mask((SECRET,))
            out = mask.feed(body[:cut]) + mask.feed(body[cut:]) + mask.end()
            assert not leaks(out.replace(SECRET[:-1].encode() + b"*", b"")), (cut, out)
            assert len(out) == len(body)
            assert out.startswith(b"before ")
            assert out.endswith(b" after")
            assert mask.found

    @proves("proxy.no-echo")
    def test_octet_by_octet(self) -> None:
        body, mask = f"<{SECRET}><{SECRET}>".encode(), Mask((SECRET,))
        out = b"".join(mask.feed(body[at : at + 1]) for at in range(len(body))) + mask.end()
        assert out == b"<" + b"*" * len(SECRET) + b"><" + b"*" * len(SECRET) + b">"

    def test_what_only_begins_like_it_passes(self) -> None:
        body, mask = SECRET[:20].encode() + b" and more", Mask((SECRET,))
        assert mask.feed(body[:10]) + mask.feed(body[10:]) + mask.end() == body
        assert not mask.found

    def test_nothing_is_held_back_that_need_not_be(self) -> None:
        mask = Mask((SECRET,))
        assert mask.feed(b"data: 1\n\n") == b"data: 1\n\n", "events are not kept waiting"

    @proves("proxy.no-echo")
    def test_two_ranges_do_not_make_a_whole(self) -> None:
        body = b"p" * 100 + SECRET.encode() + b"q" * 100
        for border in range(101, 100 + len(SECRET)):
            parts = []
            for part in (body[:border], body[border:]):
                mask = Mask((SECRET,), part=True)
                parts.append(mask.feed(part[:3]) + mask.feed(part[3:]) + mask.end())
            assert not leaks(b"".join(parts)), border
            assert len(b"".join(parts)) == len(body)

    def test_a_short_part(self) -> None:
        mask = Mask((SECRET,), part=True)
        assert mask.feed(SECRET[10:].encode()) + mask.end() == b"*" * (len(SECRET) - 10)

    def test_a_credential_too_short_to_be_told_from_a_word(self) -> None:
        mask = Mask(("key",))
        assert mask.feed(b"the key of") + mask.end() == b"the key of"


class TestInflate:
    @pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate"])
    def test_in_pieces(self, coding: str) -> None:
        body = bytes(range(256)) * 2000
        packed = zlib.compress(body) if coding == "deflate" else gzip.compress(body[:1000]) + gzip.compress(body[1000:])
        inflate = Inflate(coding)
        borders = [*range(0, len(packed), 97), len(packed)]
        out = b"".join(piece for a, b in pairwise(borders) for piece in inflate.feed(packed[a:b]))
        assert out == body
        assert inflate.whole

    def test_a_bomb_comes_in_small_pieces(self) -> None:
        pieces = list(Inflate("gzip").feed(gzip.compress(bytes(20_000_000))))
        assert max(map(len, pieces)) <= Inflate.AT_ONCE
        assert sum(map(len, pieces)) == 20_000_000

    @pytest.mark.parametrize(
        "packed",
        [b"not gzip at all", gzip.compress(b"x" * 1000)[:-4] + b"beef", gzip.compress(b"a") + b"junk"],
        ids=["not gzip", "another checksum", "more behind it"],  # gzip writes the time: two workers would not agree
    )
    def test_what_does_not_unpack(self, packed: bytes) -> None:
        with pytest.raises(ValueError, match="unpack"):
            list(Inflate("gzip").feed(packed))

    def test_what_is_cut(self) -> None:
        inflate = Inflate("gzip")
        list(inflate.feed(gzip.compress(b"x" * 1000)[:-8]))
        assert not inflate.whole


def test_a_call_is_put_where_the_account_is() -> None:
    own = connection(api_base="https://{host}/company/{realm}/")
    here = connection(api_base="https://us.acme.example/company/12/")
    call = judge(Asked(method="GET", path="/bills", query="a=1"), own, ALL)
    found = proxying.located(call, own, here)
    assert (found.url, found.host, found.path) == (
        "https://us.acme.example/company/12/bills?a=1",
        "us.acme.example",
        "/bills",
    )
    plain = connection()
    call = judge(Asked(method="GET", path="/a"), plain, ALL)
    assert proxying.located(call, plain, plain) == call
    rules = (ProxyRule(paths=("/**",), methods=("GET",), hosts=("files.example",)),)
    elsewhere = connection(api_base=own.api_base, proxy=rules)
    call = judge(Asked(method="GET", path="/a", host="files.example"), elsewhere, rules)
    assert proxying.located(call, elsewhere, here).url == "https://files.example/a", "another host stays another host"
