"""Every provider of the catalog keeps the rules of its format, and goes only where it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest

import remit_server
from remit_server.catalog.load import documents, extended, providers, read_providers
from remit_server.config import Settings
from remit_server.errors import ConfigurationError
from remit_server.records import Provider
from remit_server.rules.providers import URLS, located, resolve
from remit_server.runtime.clock import SystemClock
from remit_server.runtime.outbound import Outbound

CATALOG = Path(remit_server.__file__).parent / "catalog"
FORMAT = json.loads((CATALOG / "schema" / "providers.json").read_text())
WRITTEN = documents("providers")
ENTRIES = sorted(file.removesuffix(".yaml") for file in WRITTEN)
_PLACE = re.compile(r"\{([^}]*)\}")


@pytest.fixture(params=ENTRIES)
def entry(request: pytest.FixtureRequest) -> Provider:
    """One with its family only, so that a broken entry fails by itself."""
    own = f"{request.param}.yaml"
    family = f"{WRITTEN[own].get('extends')}.yaml"
    return read_providers({name: WRITTEN[name] for name in {own, family} & WRITTEN.keys()})[request.param]


def urls(entry: Provider) -> Iterator[tuple[str, str]]:
    names = ("issuer", "authorization_endpoint", "token_endpoint", "refresh_endpoint", "revocation_endpoint",
             "userinfo_endpoint", "jwks_uri", "api_base")  # fmt: skip
    for name in names:
        if url := getattr(entry, name):
            yield name, url
    if entry.account and entry.account.url:
        yield "account", entry.account.url
    for host in entry.api_hosts:
        yield "api_hosts", f"https://{host}/"


def test_the_schema_is_one_and_explains_itself() -> None:
    jsonschema.Draft202012Validator.check_schema(FORMAT)
    bare = [name for name, member in FORMAT["properties"].items() if not {"description", "$ref"} & member.keys()]
    assert not bare


def test_the_catalog_can_be_read() -> None:
    assert sorted(providers()) == ENTRIES


def test_urls_are_https_and_name_known_parameters_only(entry: Provider) -> None:
    for name, url in urls(entry):
        own = entry.account_values.keys()
        extra = {"revocation_endpoint": {"token", "client_id"}, "api_base": own, "account": own}.get(name, set())
        assert url.startswith("https://"), name
        assert set(_PLACE.findall(url)) <= entry.parameters.keys() | extra, name


def test_what_apply_makes_of_it_can_be_called(entry: Provider) -> None:
    """With the examples of its parameters every URL is one that the way out accepts, and nothing is left to be filled in."""
    way_out = Outbound(Settings(issuer="https://us.example/"), SystemClock())
    parameters = {name: one.example for name, one in entry.parameters.items()}
    made = resolve(entry, {"name": "c", "provider": entry.name, "parameters": parameters})
    found = located(made, {name: one.example for name, one in made.account_values.items()})
    assert found is not None
    for name in URLS:
        if url := getattr(found, name):
            way_out.check_url(url.replace("{token}", "t").replace("{client_id}", "c"))
    if found.account and found.account.url:
        way_out.check_url(found.account.url)
        json.loads(found.account.body or "null")
    assert not any("{" in text for text in (*found.api_hosts, *found.authorization_params.values()))


def test_parameters_are_used_and_their_examples_fit(entry: Provider) -> None:
    used = {name for _, url in urls(entry) for name in _PLACE.findall(url)}
    assert entry.parameters.keys() <= used
    for parameter in entry.parameters.values():
        assert re.fullmatch(parameter.pattern, parameter.example)
        assert parameter.default is None or re.fullmatch(parameter.pattern, parameter.default)


def test_no_parameter_leads_away_from_the_provider(entry: Provider) -> None:
    """Whatever an operator is talked into typing, and whatever a provider answers, the host stays within a domain that the entry
    names."""
    for name, parameter in [*entry.parameters.items(), *entry.account_values.items()]:
        ways_out = ("evil.example", f"evil.example/{parameter.example}", f"{parameter.example}.evil.example",
                    f"{parameter.example}@evil.example", f"{parameter.example}:1@evil.example", f"{parameter.example}/..",
                    f"{parameter.example}#", f"{parameter.example}?", f"{parameter.example}\\", f"{parameter.example}\n",
                    "evil.example#" + parameter.example, "evil.example?" + parameter.example, "..", "", " ")  # fmt: skip
        for value in ways_out:
            assert not re.fullmatch(parameter.pattern, value), f"{name} may be {value!r}"
    for name, url in urls(entry):
        host = urlsplit(url.replace("{", "").replace("}", "")).hostname or ""
        literal = "{" not in url.split("/")[2]
        assert not literal or "." in host, name


def test_the_account_says_who(entry: Provider) -> None:
    """Without an id two accounts of one person at one provider could not be told apart."""
    assert entry.account or entry.userinfo_endpoint or entry.kind in {"oidc", "api_key", "basic"}


def test_scopes_have_words(entry: Provider) -> None:
    for scope, words in entry.scopes.items():
        assert words[0].isupper(), scope
        assert not words.endswith("."), scope
        assert scope not in entry.offline_scopes


def test_an_example_is_read_with_its_family() -> None:
    base = {
        "name": "acme", "title": "Acme", "sources": ["https://acme.example/docs"],
        "kind": "oauth2", "authorization_endpoint": "https://acme.example/authorize", "api_base": "https://acme.example/",
        "token_endpoint": "https://acme.example/token", "revocation_endpoint": "https://acme.example/revoke",
        "scopes": {"read": "Read", "write": "Write"}, "notes": "Only the family's.",
    }  # fmt: skip
    own = {
        "name": "acme-mail", "title": "Acme Mail", "sources": ["https://acme.example/mail"],
        "extends": "acme", "scopes": {"write": None, "mail": "Read mail"}, "revocation_endpoint": None,
    }  # fmt: skip
    mail = read_providers({"acme.yaml": base, "acme-mail.yaml": own})["acme-mail"]
    assert (mail.title, mail.scopes, mail.revocation_endpoint, mail.notes) == (
        "Acme Mail", {"read": "Read", "mail": "Read mail"}, None, None,
    )  # fmt: skip
    assert mail.sources == ("https://acme.example/mail",), "the family's sources are not the entry's"
    assert base["scopes"] == {"read": "Read", "write": "Write"}
    with pytest.raises(ConfigurationError, match="extends"):
        read_providers({"acme-mail.yaml": own})


GOOD = {
    "name": "a", "title": "A", "sources": ["https://a.example/docs"], "kind": "oauth2", "scopes": {},
    "authorization_endpoint": "https://a.example/a", "token_endpoint": "https://a.example/t", "api_base": "https://a.example/",
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"sources": []}, {"kind": "saml"}, {"token_endpoint": None}, {"token_endpoint": "http://a.example/t"},
        {"token_endpoint": "https://me@a.example/t"}, {"api_base": "https://a.example"}, {"made_up": 1},
        {"fields": [{"name": "key", "title": "Key", "secret": True}]}, {"kind": "api_key"}, {"revoke": "rfc7009"},
        {"revoke": "none", "revocation_endpoint": "https://a.example/r"}, {"authorization_params": {"state": "x"}},
        {"api_headers": {"Authorization": "x"}}, {"account": {"id": "id"}}, {"never_expires": True, "lifetime": 60},
        {"account": {"from": "answer", "id": "id", "url": "https://a.example/me"}}, {"refresh": "none", "offline_scopes": ["o"]},
        {"credential": {"header": "X-Key", "query": "key"}}, {"scopes": {"two words": "Both"}}, {"extends": "nobody"},
        {"account": {"id": "id", "url": "https://a.example/me", "body": "{}"}}, {"name": "oauth2"},
        {"token_params": {"grant_type": "x"}}, {"refresh_params": {"scope": "x"}}, {"never_expires": True, "jwt_lifetime": True},
        {"account_values": {"host": {"from": "answer", "at": "host", "pattern": "acme", "example": "acme"}}},
        {"account_values": {"host": {"from": "header", "at": "host", "pattern": "^acme$", "example": "acme"}}},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_entry_is_refused(change: dict[str, Any]) -> None:
    document = extended({**GOOD, **change}, {"extends": ""} | {k: GOOD[k] for k in ("name", "title", "sources")} | {
        k: v for k, v in change.items() if k in {"name", "title", "sources"}})  # fmt: skip
    if "extends" in change:
        document["extends"] = change["extends"]
    with pytest.raises(ConfigurationError):
        read_providers({"a.yaml": document})


def test_the_good_one_is_read() -> None:
    assert read_providers({"a.yaml": GOOD})["a"].title == "A"


def test_nobody_has_compared_what_does_not_say_so() -> None:
    family = {**GOOD, "checked": date(2026, 11, 22), "tried": "2026-11-23"}
    own = {"name": "b", "title": "B", "sources": GOOD["sources"], "extends": "a"}
    found = read_providers({"a.yaml": family, "b.yaml": own})
    assert (found["a"].checked, found["a"].tried) == ("2026-11-22", "2026-11-23")
    assert (found["b"].checked, found["b"].tried) == (None, None), "the family's comparison is not the entry's"
    with pytest.raises(ConfigurationError, match="checked"):
        read_providers({"a.yaml": {**GOOD, "checked": "last week"}})
