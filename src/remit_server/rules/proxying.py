"""One call through the vault: which requests go up, in exactly which form, and what of the answer comes back.

What is judged is what is sent: a path is read once, brought into one form, held against the rules in this form, and goes
up in it. Headers are those that a list names; nothing that says who is asking travels in either direction.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import unquote_plus, urlencode, urljoin, urlsplit

from msgspec import Struct, structs

from remit_server.errors import Forbidden, InvalidRequest
from remit_server.records import Connection, ProxyRule

Header = tuple[str, str]

LONGEST_PATH = 4096
LONGEST_QUERY = 8192
LONGEST_HEADER = 8192
LONGEST_HEADERS = 32 * 1024

_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PLAIN = _UNRESERVED | frozenset("!$&'()*+,;=:@")  # RFC 3986 section 3.3: pchar
_IN_QUERY = _PLAIN | frozenset(
    "/?[]"
)  # brackets: many clients leave them as they are, and nobody reads them in two ways
_TRIPLET = re.compile(r"%[0-9A-Fa-f]{2}")
_METHOD = re.compile(r"[A-Z][A-Z-]{0,31}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OVERRIDE = re.compile(r"\$?(x[-_])?_?(http[-_]?)?method([-_]?override)?")
"""Parameters by which some servers take a call for one with another method."""
_NEVER = frozenset({"CONNECT", "TRACE"})  # the one is a tunnel, the other echoes what we attach


class Asked(Struct, frozen=True, kw_only=True):
    """A request as it came. `path` is what follows the connection's name, as it was on the wire."""

    method: str
    path: str
    query: str = ""
    host: str | None = None


class Call(Struct, frozen=True, kw_only=True):
    """What will be sent: `path` is the agent's, below `api_base`; `target` is the URL's."""

    method: str
    host: str
    path: str
    origin: str
    target: str

    @property
    def url(self) -> str:
        return self.origin + self.target


def judge(asked: Asked, connection: Connection, rules: Sequence[ProxyRule]) -> Call:
    """The one call that this request may become.

    `rules` are the agent's; the connection's own are the bound around them. Raises `InvalidRequest` for a request that two
    servers could read in two ways, `Forbidden` for one that no rule names.
    """
    if not passes(asked.method):
        raise Forbidden("This method is not passed on.")
    path, query = normalised(asked.path), _query(asked.query, connection, asked.method)
    base = urlsplit(connection.api_base or "")
    home = base.netloc.lower()
    host = (asked.host or home).lower()
    if not home or host not in {home, *connection.api_hosts}:
        raise Forbidden("This host is not one of the connection's.")
    for allowed in (connection.proxy, rules):
        if not any(_covers(rule, asked.method, host, path, home=home) for rule in allowed):
            raise Forbidden(f"No rule lets this client call {asked.method} {path} at {host}.")
    target = (base.path.rstrip("/") if host == home else "") + path
    scheme = base.scheme if host == home else "https"
    return Call(
        method=asked.method, host=host, path=path, origin=f"{scheme}://{host}",
        target=f"{target}?{query}" if query else target,
    )  # fmt: skip


def located(call: Call, connection: Connection, here: Connection) -> Call:
    """The call as it is for one account, whose API may stand at an address of its own (`here`). What was judged is the path and
    the connection's own home, so only these two are put in their place."""
    base, home = urlsplit(connection.api_base or ""), urlsplit(here.api_base or "")
    if call.host != base.netloc.lower():
        return call
    target = home.path.rstrip("/") + call.target.removeprefix(base.path.rstrip("/"))
    host = home.netloc.lower()
    return structs.replace(call, host=host, origin=f"{home.scheme}://{host}", target=target)


def passes(method: str) -> bool:
    """Whether there is a rule by which this method could go up."""
    return bool(_METHOD.fullmatch(method)) and method not in _NEVER


def reads(method: str) -> bool:
    """Whether a call with this method is not meant to change anything (RFC 9110 section 9.2.1)."""
    return method in {"GET", "HEAD", "OPTIONS"}


def _covers(rule: ProxyRule, method: str, host: str, path: str, *, home: str) -> bool:
    if method not in rule.methods and not (method == "HEAD" and "GET" in rule.methods):
        return False
    return host in (rule.hosts or (home,)) and any(_template(each).fullmatch(path) for each in rule.paths)


def normalised(path: str) -> str:
    """The one form of a path (RFC 3986 section 6.2.2): needless percent-encoding taken away, the rest in capitals.

    Raises `InvalidRequest` for dot segments, empty segments, encoded slashes and percent signs, backslashes, control
    characters, what is not UTF-8, and characters that some servers fold into a slash or a dot.
    """
    if not path.startswith("/") or len(path) > LONGEST_PATH:
        raise _unclear("must begin with a slash, and not be too long")
    *inner, last = path[1:].split("/")
    if not all(inner):
        raise _unclear("has an empty segment")
    return "/" + "/".join(map(_segment, (*inner, last)))


def _segment(raw: str) -> str:
    pieces, at, octets = [], 0, bytearray()
    while at < len(raw):
        if raw[at] == "%":
            if not _TRIPLET.match(raw, at):
                raise _unclear("has a percent sign that encodes nothing")
            octet = int(raw[at + 1 : at + 3], 16)
            pieces.append(chr(octet) if chr(octet) in _UNRESERVED else f"%{octet:02X}")
            at += 3
        else:
            octet = ord(raw[at])
            if raw[at] not in _PLAIN:
                raise _unclear("has a character that must be percent-encoded")
            pieces.append(raw[at])
            at += 1
        octets.append(octet)
    try:
        text = octets.decode()  # refuses overlong forms, which hide a slash
    except UnicodeDecodeError:
        raise _unclear("is not UTF-8") from None
    # Parameters of a segment (RFC 3986 section 3.3) are cut off by some servers before they resolve its dots.
    for seen in (text, unicodedata.normalize("NFKC", text)):
        name, parameters, _ = seen.partition(";")
        if name in {".", ".."} or (parameters and not name):
            raise _unclear("has a dot segment, or nothing before a semicolon")
        if any(char in "/\\%" or unicodedata.category(char) == "Cc" for char in seen):
            raise _unclear("has an encoded slash, backslash, percent sign or control character")
    return "".join(pieces)


def _query(query: str, connection: Connection, method: str) -> str:
    if len(query) > LONGEST_QUERY:
        raise InvalidRequest("The query is too long.")
    rest = _TRIPLET.sub("", query)
    if any(char not in _IN_QUERY for char in rest):
        raise InvalidRequest("The query has a character that must be percent-encoded.")
    # RFC 6750 section 2.3: a credential has no place in a query, and where it has one, it is ours.
    ours = {"access_token", (connection.credential.query or "access_token").lower()}
    for pair in re.split("[&;]", query):
        name, _, value = (unquote_plus(part).strip() for part in pair.partition("="))
        if name.lower() in ours:
            raise InvalidRequest("The query has a parameter for credentials; the vault attaches them itself.")
        if _OVERRIDE.fullmatch(name.lower()) and value.upper() in _METHODS - {method}:
            raise InvalidRequest("The query has a parameter that asks for another method; call with that one.")
    return query


def with_query(url: str, more: Mapping[str, str]) -> str:
    """The URL with our own parameters after those of the agent."""
    return url + ("&" if "?" in url else "?") + urlencode(more) if more else url


def _unclear(why: str) -> InvalidRequest:
    return InvalidRequest(f"The path {why}.")


def template_fault(template: str) -> str | None:
    """What is wrong with a path template, for whoever wrote it; None when nothing is."""
    if not template.startswith("/"):
        return "it begins with a slash"
    stem = template.removesuffix("/**")
    if "**" in stem:
        return "`**` stands at the end, after a slash"
    try:
        clean = normalised(stem or "/")
    except InvalidRequest as error:
        return error.text
    return None if clean == (stem or "/") else f"write it as {clean}"


@lru_cache(maxsize=4096)
def _template(template: str) -> re.Pattern[str]:
    """`*` stops at a colon: in many APIs what follows one is a verb (`/documents/ID:batchUpdate`)."""
    stem, rest = (template[:-3], r"(?:/.*)?") if template.endswith("/**") else (template, "")
    piece = r"(?:[^/:%]|%(?!3A)[0-9A-F]{2})+"
    return re.compile(piece.join(map(re.escape, stem.split("*"))) + rest)


# Headers up

_UP = frozenset({
    "accept", "accept-language", "content-encoding", "content-language", "content-type", "idempotency-key", "if-match",
    "if-modified-since", "if-none-match", "if-unmodified-since", "prefer",
})  # fmt: skip
_NOT_EVEN_BY_NAME = re.compile(
    r"authorization|connection|content-length|cookie2?|dpop|expect|forwarded|host|keep-alive|origin|range|if-range|referer"
    r"|remit-.*|te|trailer|transfer-encoding|upgrade|via|proxy-.*|x-forwarded-.*|x-real-ip|x-client-ip|true-client-ip"
    r"|x-http-method(-override)?|x-method-override|x-original-.*|x-rewrite-.*|accept-encoding|user-agent|sec-.*",
)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
RANGE_AT_LEAST = 64 * 1024
"""Bytes. An echo of the credential cannot be cut into pieces too small to be recognised."""


def may_be_forwarded(name: str) -> bool:
    """Whether an operator may let a request header through beside the usual ones (`proxy_headers`)."""
    return bool(_NAME.fullmatch(name.lower())) and not _NOT_EVEN_BY_NAME.fullmatch(name.lower())


def forwarded(headers: Iterable[Header], connection: Connection) -> list[Header]:
    """The headers that go up: those of a list, those that the operator named, and what every call of this API needs.

    Names in lower case. Raises `InvalidRequest` when they are too large.
    """
    ours = connection.credential.header.lower()
    wanted = {name.lower() for name in (*connection.proxy_headers, *connection.api_headers)}
    open_ = _UP | {name for name in wanted if may_be_forwarded(name)}
    passed = [(name, value) for name, value in headers if name in open_ and name != ours]
    if any(len(value) > LONGEST_HEADER or not _VALUE.fullmatch(value) for _, value in passed):
        raise InvalidRequest("A header is too large or malformed.")
    if sum(len(name) + len(value) for name, value in passed) > LONGEST_HEADERS:
        raise InvalidRequest("The headers are too large.")
    there = {name for name, _ in passed}
    return passed + [(n.lower(), value) for n, value in connection.api_headers.items() if n.lower() not in there]


def range_of(value: str | None) -> str | None:
    """The Range header, if it may go up; a server may ignore one (RFC 9110 section 14.2), and so may we."""
    match = re.fullmatch(r"bytes=(\d{1,15})-(\d{1,15})?|bytes=-(\d{1,15})", value or "")
    if match is None:
        return None
    first, last, suffix = match.groups()
    length = int(suffix) if suffix else int(last) - int(first) + 1 if last else RANGE_AT_LEAST
    return value if length >= RANGE_AT_LEAST else None


# Headers back

_HOP_BY_HOP = frozenset({  # RFC 9110 section 7.6.1
    "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_NOT_BACK = _HOP_BY_HOP | frozenset({
    # credentials and questions for them, which are between the provider and us
    "set-cookie", "set-cookie2", "www-authenticate", "proxy-authenticate", "proxy-authentication-info",
    "authentication-info", "dpop-nonce", "authorization", "cookie",
    # what would hold for our own origin, or for a cache that does not know whose answer it is
    "alt-svc", "cache-control", "clear-site-data", "content-location", "content-security-policy",
    "content-security-policy-report-only", "cross-origin-embedder-policy", "cross-origin-opener-policy",
    "cross-origin-resource-policy", "expires", "link", "location", "nel", "pragma", "public-key-pins", "refresh", "report-to",
    "reporting-endpoints", "service-worker-allowed", "sourcemap", "strict-transport-security", "x-accel-buffering",
    "x-accel-redirect", "x-content-type-options", "x-frame-options", "x-lighttpd-send-file", "x-sendfile",
    # we say these ourselves
    "content-encoding", "content-length", "date", "server",
})  # fmt: skip
_OURS: tuple[Header, ...] = (
    ("cache-control", "no-store"),
    ("content-security-policy", "sandbox; default-src 'none'"),
    ("x-content-type-options", "nosniff"),
)


def returned(headers: Sequence[Header], *, secrets: Iterable[str]) -> list[Header]:
    """The answer's headers for the agent, with ours; names in lower case. One that holds a credential is left out.

    The provider's challenge (WWW-Authenticate) goes by a name under which no HTTP client takes it for ours.
    """
    nominated = {
        name.strip().lower() for key, value in headers if key.lower() == "connection" for name in value.split(",")
    }
    secrets = tuple(secrets)
    passed: list[Header] = []
    for raw, value in headers:
        name = raw.lower()
        if name == "www-authenticate":
            name = CHALLENGE
        elif name in _NOT_BACK or name in nominated or name.startswith(("remit-", "access-control-")):
            continue
        if _VALUE.fullmatch(value) and not any(secret in value or secret in name for secret in secrets):
            passed.append((name, value))
    return [*passed, *_OURS]


CHALLENGE = "remit-upstream-authenticate"


def mapped_back(location: str, call: Call, connection: Connection, proxy: str) -> str | None:
    """A Location that the agent can follow: at the host that was called, where its `Remit-Host` leads again, below `api_base` if
    that is there; by way of the proxy at URL `proxy`. None for any other."""
    base = urlsplit(connection.api_base or "")
    try:
        url = urlsplit(urljoin(call.url, location))
        root = base.path.rstrip("/") if call.host == base.netloc.lower() else ""
        if f"{url.scheme}://{url.netloc.lower()}" != call.origin or not url.path.startswith(root + "/"):
            return None
        path, query = normalised(url.path[len(root) :]), _query(url.query, connection, call.method)
    except (ValueError, InvalidRequest):
        return None
    return f"{proxy}{path}?{query}" if query else proxy + path


_SPACE, _NAMED, _VALUED = r"[ \t]*+", r'[^ \t;,="<>]*+', r'(?:"(?:[^"\\]|\\.)*+"|[^ \t;,"<>]*+)'
_LINK = re.compile(  # RFC 8288 section 3; possessive, so that nothing is tried twice
    rf"[ \t,]*+<([^<>]*+)>((?:{_SPACE};{_SPACE}{_NAMED}{_SPACE}(?:={_SPACE}{_VALUED})?+)*+){_SPACE}(?:,|$)"
)


def links_back(value: str, call: Call, connection: Connection, proxy: str) -> str | None:
    """A Link header (RFC 8288) with those of its links that the agent can follow, as by `mapped_back`: the pages of a list, above
    all. None when there is none, or when it could be read in two ways."""
    links, at = [], 0
    while at < len(value):
        link = _LINK.match(value, at)
        if link is None:
            return None
        target, parameters = link.groups()
        # With an anchor it is not about what was called (section 3.2).
        if (to := mapped_back(target, call, connection, proxy)) and not _ANCHOR.search(parameters):
            links.append(f"<{to}>{parameters}")
        at = link.end()
    return ", ".join(links) or None


_ANCHOR = re.compile(r";[ \t]*anchor\b", re.IGNORECASE)


def length_of(headers: Mapping[str, str]) -> int | None:
    """The announced length of a body; None when it is not said."""
    value = headers.get("content-length", "")
    return int(value) if re.fullmatch(r"[0-9]{1,15}", value) else None
