"""remit.yaml: what is read, what is refused and where."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from tests.ledger import proves

from remit_server.errors import ConfigurationError
from remit_server.management.manifest.check import settings_of
from remit_server.management.manifest.declared import Manifest
from remit_server.management.manifest.read import read

ACME = Path(__file__).parent / "acme"
ENVIRON = {
    name: f"{name.lower()}-that-is-long-enough"
    for name in ("ADA_PASSWORD", "BOB_PASSWORD", "ASSISTANT_SECRET", "BROKER_SECRET", "CALENDAR_SECRET")
}
HEAD = "version: 1\n"


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """A copy of the example, to be spoiled."""
    shutil.copytree(ACME, tmp_path / "acme")
    return tmp_path / "acme" / "remit.yaml"


def spoiled(path: Path, was: str, now: str) -> str:
    """The message for the example with one thing changed."""
    text = path.read_text()
    assert was in text
    path.write_text(text.replace(was, now, 1))
    with pytest.raises(ConfigurationError) as raised:
        read(path, ENVIRON)
    return str(raised.value)


def given(tmp_path: Path, text: str) -> Manifest:
    path = tmp_path / "remit.yaml"
    path.write_text(HEAD + text)
    return read(path, ENVIRON)


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as raised:
        given(tmp_path, text)
    return str(raised.value).replace(str(tmp_path) + "/", "")


def test_the_example_is_read(acme: Path) -> None:
    manifest = read(acme, ENVIRON)
    assert [client.id for client in manifest.clients] == ["trading-assistant", "broker-api"]
    assert manifest.policies[0].file is not None
    assert manifest.channels.email is not None
    assert manifest.channels.email.sender == "remit@example.com"


@pytest.mark.parametrize(
    ("was", "now", "at", "words"),
    [
        ("kind: agent ", "kynd: agent ", "kynd", "did you mean 'kind'?"),
        ("kind: agent ", "kind: agnet ", "agnet", "did you mean 'agent'?"),
        ("owner: ada@example.com", "owner: eda@example.com", "eda", "did you mean 'ada@example.com'?"),
        ("name: Broker\n", "name: 5\n", "5", "put it in quotes"),
        ("lifetime: 300", "lifetime: soon", "soon", "a number is wanted here, not a string"),
        ("skip_consent: true", "skip_consent: yes", "yes", "true or false is wanted"),
        ("trade_order]", "trade_ordr]", "trade_ordr", "did you mean 'trade_order'?"),
        ("[trade:write, portfolio", "[trade:rite, portfolio", "trade:rite", "did you mean 'trade:write'?"),
        ("{calendar: [", "{calender: [", "calender", "did you mean 'calendar'?"),
        ("api: https://broker.example", "api: https://x.example", "https://x", "there is no API"),
        ("grants: [token_exchange]", "grants: [token_exchang]", "token_exchang", "did you mean 'token_exchange'?"),
        ("token_endpoint: http:", "token_endpoint: ftp:", "ftp", "must be https"),
        ("provider: oauth2", "provider: gogle", "gogle", "not in the catalog"),
        ("documents.fga", "nowhere.fga", "nowhere", "cannot be read"),
        ("policies/trading.cedar", "policies/nowhere.cedar", "policies/nowhere", "cannot be read"),
        ("smtp://127", "http://127", "http", "smtp://host:port"),
        ("smtp://127.0.0.1:1025", "smtp://127.0.0.1:mail", "smtp://127.0.0.1:mail", "smtp://host:port"),
        ("smtp://127.0.0.1:1025", "smtp://127.0.0.1:0", "smtp://127.0.0.1:0", "smtp://host:port"),
        ("{env: BOB_PASSWORD}", "{env: EVE_PASSWORD}", "EVE_", "EVE_PASSWORD is not set"),
        ("{env: BOB_PASSWORD}", "{env: A, file: B}", "{env: A", "write a string, or {env: NAME} or {file: PATH}"),
        ("http://127.0.0.1:8765/callback", "http://app.example/cb", "http://app", "must be https"),
        ("  - id: broker-api ", "  - id: trading-assistant ", "trading-assistant", "stands here twice"),
        ("    name: Broker API", "    name: Broker API\n    name: Again", "name: Again", "stands here twice"),
        ("version: 1", "version: 2", "2", "is not one of 1"),
    ],
)
def test_a_mistake_is_told_with_its_place(acme: Path, was: str, now: str, at: str, words: str) -> None:
    message = spoiled(acme, was, now)
    line = next((line for line in message.splitlines() if words in line), message)
    assert words in line
    assert line.startswith(f"{acme}:{place_of(acme, now, at)}: "), line


def place_of(path: Path, changed: str, at: str) -> str:
    text = path.read_text()
    # the last place where the changed text stands, as a second `trading-assistant` comes after the first
    before = text[: text.index(at, text.rindex(changed))]
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


@proves("manifest.mistakes-have-places")
def test_every_mistake_is_told_in_one_run(tmp_path: Path) -> None:
    message = refused(tmp_path, "users:\n  - {emial: a@b.c}\norganisation: {nam: x}\n")
    assert "remit.yaml:3:6: 'emial' is not known here; did you mean 'email'?" in message
    assert "remit.yaml:3:5: 'email' is missing" in message
    assert "remit.yaml:4:16: 'nam' is not known here" in message


def test_mistakes_come_in_the_order_of_the_file_and_a_list_is_said_once(tmp_path: Path) -> None:
    """Keys are read before values, so what is read first is not what stands first."""
    message = refused(
        tmp_path, "clients:\n  - {id: a, name: A, grants: [zip], auth: {method: nope}}\norganisation: {nam: x}\n"
    )
    places = [tuple(map(int, line.split(":")[1:3])) for line in message.splitlines()]
    assert places == sorted(places)
    assert len(places) > 2
    assert message.count("device_code") == 1


@pytest.mark.parametrize(
    ("taken", "words"),
    [
        ("users: [{email: a@b.c, id: organisation}]", "stands for the organisation itself"),
        ("apis: [{identifier: 'urn:remit:connection:mail', name: M}]", "names a connection in a token exchange"),
    ],
)
def test_a_name_that_means_something_already_is_refused(tmp_path: Path, taken: str, words: str) -> None:
    assert words in refused(tmp_path, f"{taken}\n")


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ("{method: client_secret_basic}", "needs `secret`"),
        ("{method: none, secret: x}", "no use for a secret"),
        ("{method: private_key_jwt}", "needs either `jwks` or `jwks_uri`"),
        ("{method: private_key_jwt, jwks: {keys: []}, jwks_uri: https://a.example/jwks}", "either"),
        ("{methods: [none, client_secret_basic], secret: x}", "stands alone"),
        ("{}", "give `method`"),
        ("{method: none, methods: [none]}", "give `method`"),
    ],
)
def test_half_of_a_client_authentication_is_refused(tmp_path: Path, auth: str, words: str) -> None:
    assert words in refused(tmp_path, f"clients:\n  - {{id: c, name: C, kind: service, auth: {auth}}}\n")


TOLD = "backchannel_client_notification_endpoint: https://agent.example/told"


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ("grants: [ciba], backchannel_token_delivery_mode: ping", "need an endpoint"),
        ("grants: [ciba], backchannel_token_delivery_mode: push", "need an endpoint"),
        (f"grants: [ciba], {TOLD}", "poll has no use for one"),
        (
            f"grants: [client_credentials], backchannel_token_delivery_mode: ping, {TOLD}",
            "only for a client with the grant",
        ),
        (
            "grants: [client_credentials], backchannel_user_code_parameter: true",
            "only for a client with the grant ciba",
        ),
        ("grants: [ciba], backchannel_authentication_request_signing_alg: ES256", "needs either `jwks` or `jwks_uri`"),
        ("grants: [ciba], backchannel_authentication_request_signing_alg: none", "none"),
        (f"grants: [ciba], backchannel_token_delivery_mode: ping, {TOLD.replace('https', 'http')}", "https"),
    ],
)
def test_half_of_a_backchannel_is_refused(tmp_path: Path, members: str, words: str) -> None:
    client = f"{{id: c, name: C, kind: agent, auth: {{method: client_secret_basic, secret: x}}, {members}}}"
    assert words in refused(tmp_path, f"clients:\n  - {client}\n")


PROXY = "connections:\n  - name: c\n    provider: oidc\n    issuer: https://a.example\n    client: {id: x, secret: y}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clients:\n  - {id: c, name: C, kind: api, auth: {method: none}}\n", "needs `api`"),
        (
            "clients:\n  - {id: c, name: C, kind: web, auth: {method: none}, grants: [client_credentials]}\n",
            "authenticates",
        ),
        (
            "clients:\n  - {id: c, name: C, kind: web, auth: {method: none}, grants: [authorization_code]}\n",
            "redirect_uris",
        ),
        ("connections:\n  - {name: c, provider: oauth2, client: {id: x, secret: y}}\n", "needs `token_endpoint`"),
        ("connections:\n  - {name: c, provider: oidc, issuer: https://a.example, client: {id: x}}\n", "give `secret`"),
        ("settings: {code_lifetim: 3}\n", "did you mean 'code_lifetime'?"),
        ("settings: {issuer: https://a.example}\n", "'issuer' is not known here"),
        ("settings: {registration: token}\n", "needs registration_token"),
        ("settings: {code_lifetime: 0}\n", "code_lifetime must be 1 to 600"),
        ("settings: {clock_skew: -1}\n", "clock_skew must be 0 to 300"),
        ("settings: {clock_skew: 86400}\n", "clock_skew must be 0 to 300"),
        ("settings: {id_token_lifetime: 604800}\n", "id_token_lifetime must be 1 to 86400"),
        ("settings: {login_attempts: 0}\n", "login_attempts must be 1 to 1000000"),
        ("settings: {private_networks: [10.0.0.1/8]}\n", "private_networks: 10.0.0.1/8 has host bits set"),
        (f"{PROXY}    proxy: [{{paths: [calendars]}}]\n", "'calendars': it begins with a slash"),
        (f"{PROXY}    proxy: [{{paths: [/a/../b]}}]\n", "has a dot segment"),
        (f"{PROXY}    proxy: [{{paths: [/**/b]}}]\n", "stands at the end"),
        (f"{PROXY}    proxy: [{{paths: [/a], methods: [get]}}]\n", "methods are in capital letters"),
        (f"{PROXY}    proxy: [{{paths: [/a], methods: [TRACE]}}]\n", "'TRACE' is not passed on"),
        (f"{PROXY}    proxy: [{{path: [/a]}}]\n", "did you mean 'paths'?"),
        (f"{PROXY}    proxy_headers: [Cookie]\n", "says who is asking"),
        (
            "clients:\n  - {id: c, name: C, kind: agent, auth: {method: none}, proxy: {mail: [{paths: [/**]}]}}\n",
            "not among the client's connections",
        ),
        ("policies:\n  - {name: p, text: permit(}\n", "not Cedar"),
        ("details:\n  - {type: x}\n", "required property"),
        ("users: {a: b}\n", "a list is wanted here, not a mapping"),
        ("users: &a [*a]\n", "a mapping is wanted here, not a list"),
        ("users: [\n", "not YAML"),
    ],
)
def test_what_does_not_belong_together_is_refused(tmp_path: Path, text: str, words: str) -> None:
    assert words in refused(tmp_path, text)


def test_a_document_that_refers_to_itself_ends(tmp_path: Path) -> None:
    assert "nested too deeply" in refused(tmp_path, "details:\n  - &a {type: x, schema: *a}\n")


def test_a_document_that_would_grow_without_end_is_refused(tmp_path: Path) -> None:
    """A thousand million values in ten lines, were all aliases followed."""
    lines = [f"      l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10)]
    bomb = "type: x\nschema:\n      l0: &l0 [x]\n" + "\n".join(lines) + "\n"
    (tmp_path / "type.yaml").write_text(bomb)
    assert "too much" in refused(tmp_path, "details:\n  - {file: type.yaml}\n")
    assert "nested too deeply" in refused(tmp_path, "details: " + "[" * 5000 + "]" * 5000)


@pytest.mark.parametrize("number", [".inf", "1:30.5"])
def test_what_only_yaml_calls_a_number_is_told(tmp_path: Path, number: str) -> None:
    text = f"details:\n  - {{type: x, schema: {{maximum: {number}}}}}\n"
    assert f"{number!r} is not a decimal number" in refused(tmp_path, text)


def test_settings_are_read_by_their_types(tmp_path: Path) -> None:
    manifest = given(
        tmp_path, "settings: {code_lifetime: 30, metrics_token: {env: ADA_PASSWORD}, private_networks: [10.0.0.0/8]}\n"
    )
    assert settings_of(manifest) == {
        "code_lifetime": 30,
        "metrics_token": ENVIRON["ADA_PASSWORD"],
        "private_networks": ("10.0.0.0/8",),
    }


def test_a_secret_shows_itself_to_nobody(tmp_path: Path) -> None:
    (tmp_path / "hush").write_text("from-a-file\n")
    manifest = given(
        tmp_path,
        "users:\n  - {email: a@b.example, password: {file: hush}}\n  - {email: c@d.example, password: in-the-open}\n",
    )
    assert [user.password and user.password.value for user in manifest.users] == ["from-a-file", "in-the-open"]
    assert [user.password and user.password.plain for user in manifest.users] == [False, True]
    assert "from-a-file" not in repr(manifest)
    assert "in-the-open" not in repr(manifest)


def test_a_wrong_secret_is_not_quoted(tmp_path: Path) -> None:
    message = refused(tmp_path, "users:\n  - {email: a@b.example, password: 31337}\n")
    assert "a string is wanted here, not a number" in message
    assert "31337" not in message


def test_the_example_stays_the_contract() -> None:
    """Every key of the example is one that we read."""
    assert set(yaml.safe_load((ACME / "remit.yaml").read_text())) == set(Manifest.__struct_fields__) - {"settings"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("web_push: {contact: 'mailto:a@b', hosts: ['https://push.example']}", "write a host"),
        ("ntfy: {server: 'ftp://x'}", "must be https"),
        ("webhooks: [{name: A b, url: 'https://x.example', secret: SECRET}]", "small letters"),
        (
            "webhooks: [{name: a, url: 'https://x.example', secret: SECRET}, {name: a, url: 'https://x.example', secret: SECRET}]",
            "name of its own",
        ),
        ("webhooks: [{name: a, url: 'https://x.example', secret: whsec_c2hvcnQ=}]", "24 to 64"),
        ("webhooks: [{name: a, url: 'http://x.example', secret: SECRET}]", "must be https"),
    ],
)
def test_channels_that_cannot_be(tmp_path: Path, text: str, why: str) -> None:
    secret = "whsec_" + "a2tr" * 8
    assert why in refused(tmp_path, f"channels: {{{text.replace('SECRET', secret)}}}\n")


def test_channels(tmp_path: Path) -> None:
    secret = "whsec_" + "a2tr" * 8
    channels = given(
        tmp_path,
        "channels: {web_push: {contact: 'mailto:a@b', hosts: ['push.example:8443']}, "
        "ntfy: {server: 'https://ntfy.example', token: tk}, "
        f"webhooks: [{{name: desk, url: 'https://x.example', secret: {secret}}}]}}\n",
    ).channels
    assert channels.ntfy
    assert channels.ntfy.server == "https://ntfy.example"
    assert channels.web_push
    assert channels.web_push.hosts == ("push.example:8443",)
    assert channels.webhooks[0].secret.value == secret
    assert secret not in repr(channels)
