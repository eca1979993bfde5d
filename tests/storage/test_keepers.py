"""Whoever keeps the master key: one contract, then what each key service may do to us."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time
from base64 import b64encode
from typing import Any

import pytest
from tests.fixtures.databases import NewDatabase
from tests.fixtures.key_services import GOOGLE_KEY, Google, Liar, point_aws_at
from tests.ledger import proves
from tests.storage.conftest import NOW
from tests.storage.samples import event

from remit_server.errors import ConfigurationError, IntegrityError
from remit_server.storage import keepers
from remit_server.storage.barrier import Master
from remit_server.storage.contract import Busy
from remit_server.storage.keepers import Keeper, KeeperUnavailable, apart, aws_kms, gcp_kms, vault_transit, wrap_surely
from remit_server.storage.keepers.named import named
from remit_server.storage.open import open_store, wrapped_keys
from remit_server.storage.rotation import keep_only, rotate_data_key, wrap_for

KINDS = ("own", "aws-kms", "gcp-kms", "vault-transit")
Two = tuple[Keeper, Keeper]
KEY, ID, OTHER_ID = bytes(range(32)), "a" * 32, "b" * 32


@pytest.fixture(params=KINDS)
def two(request: pytest.FixtureRequest) -> Two:
    """Two keys with the same kind of keeper."""
    match request.param:
        case "aws-kms":
            new_key = request.getfixturevalue("aws")
            return named(f"aws-kms:{new_key()}"), named(f"aws-kms:{new_key()}")
        case "gcp-kms":
            request.getfixturevalue("google")
            return named(f"gcp-kms:{GOOGLE_KEY}remit"), named(f"gcp-kms:{GOOGLE_KEY}other")
        case "vault-transit":
            request.getfixturevalue("openbao")
            return named("vault-transit:transit/remit"), named("vault-transit:transit/other")
    return Master(b"m" * 32), Master(b"n" * 32)


@proves("sealing.key-services")
class TestContract:
    async def test_a_data_key_opens_under_its_own_id_and_key_only(self, two: Two) -> None:
        mine, other = two
        wrapped = await wrap_surely(mine, KEY, ID)
        assert KEY not in wrapped
        assert await mine.unwrap(wrapped, ID) == KEY
        with pytest.raises(IntegrityError):
            await mine.unwrap(wrapped, OTHER_ID)
        with pytest.raises((IntegrityError, KeeperUnavailable)):  # moto says denied where AWS says incorrect key
            await other.unwrap(wrapped, ID)

    async def test_changed_bytes_do_not_open(self, two: Two) -> None:
        mine, _ = two
        wrapped = await mine.wrap(KEY, ID)
        for changed in (wrapped[:-2] + b"AA", wrapped[:-1], b"", b"x" + wrapped):
            with pytest.raises((IntegrityError, KeeperUnavailable)):  # botocore itself refuses to send no bytes
                await mine.unwrap(changed, ID)

    async def test_no_library_logs_a_data_key(
        self, two: Two, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        caplog.set_level(logging.DEBUG)
        for library in ("botocore", "google", "hvac", "urllib3", "requests"):
            monkeypatch.setattr(logging.getLogger(library), "propagate", True)
            caplog.set_level(logging.DEBUG, library)
        mine, _ = two
        assert await mine.unwrap(await mine.wrap(KEY, ID), ID) == KEY
        written = "".join(str(vars(record)) for record in caplog.records)
        for spelled in (b64encode(KEY).decode(), repr(KEY)[2:-1], KEY.hex()):
            assert spelled not in written
        assert "googleapis.com" not in written  # nobody asks Google itself

    async def test_a_database_lives_under_it_and_moves_to_another(self, two: Two, new_database: NewDatabase) -> None:
        mine, other = two
        database = new_database("sqlite")
        store = await open_store(database, mine, NOW)
        await rotate_data_key(store, mine, event("key.rotated"), NOW)
        await store.commit(store.secrets.add("s", b"v"))
        with pytest.raises(IntegrityError, match="master key does not open"):
            await open_store(database, other, NOW)
        assert await wrap_for(store.engine, mine, other, event("key.rotated")) == 2
        assert await keep_only(store.engine, other, event("key.rotated")) == (mine.id,)
        await store.close()
        again = await open_store(database, other, NOW)
        assert await again.secrets.get("s") == b"v"
        await again.close()


@pytest.mark.parametrize(
    ("module", "words"),
    [("boto3", "aws-kms:k"), ("google", f"gcp-kms:{GOOGLE_KEY}k"), ("hvac", "vault-transit:transit/k")],
)
async def test_a_client_library_that_is_missing_is_named(
    module: str, words: str, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for loaded in [name for name in sys.modules if name.split(".")[0] in {module, "botocore", "google_crc32c"}]:
        monkeypatch.delitem(sys.modules, loaded)
    for name in (module, "botocore", "google_crc32c"):
        monkeypatch.setitem(sys.modules, name, None)
    keeper, extra = named(words), words.partition(":")[0]
    for asked in (keeper.wrap(KEY, ID), keeper.unwrap(b"x", ID)):
        with pytest.raises(ConfigurationError, match=rf"pip install 'remit\[{extra}\]'"):
            await asked


def test_no_client_library_is_loaded_before_it_is_used() -> None:
    code = (
        "import sys; import remit_server.cli.serve; from remit_server.storage.keepers.named import named;"
        f"named('aws-kms:k'), named('gcp-kms:{GOOGLE_KEY}k'), named('vault-transit:a/b');"
        "print({'boto3', 'botocore', 'hvac', 'requests', 'google.cloud', 'google_crc32c', 'grpc'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize(
    "words",
    [
        "", "file", "file:", "AAAAAAAA", "s3:bucket", "vault-transit:remit", "vault-transit:/", "gcp-kms:remit",
        f"gcp-kms:{GOOGLE_KEY}k/cryptoKeyVersions/1", "gcp-kms:projects//locations/l/keyRings/r/cryptoKeys/k", "env:UNSET",
    ],
)  # fmt: skip
def test_words_that_name_no_keeper_are_refused_without_repeating_them(words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        named(words)
    assert "AAAAAAAA" not in str(refused.value)


@proves("sealing.refuses-before-writing")
class TestRefusal:
    async def test_nothing_is_begun_where_the_first_data_key_cannot_be_wrapped(self, database_url: str) -> None:
        with pytest.raises(KeeperUnavailable):
            await open_store(database_url, Away(), NOW)
        assert await wrapped_keys(database_url) == []
        store = await open_store(database_url, Master(bytes(32)), NOW)
        await store.close()

    async def test_a_permission_to_encrypt_alone_is_noticed_at_once(
        self, openbao: str, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("VAULT_TOKEN", "encrypt-only")
        database = new_database("sqlite")
        with pytest.raises(KeeperUnavailable, match="permission denied"):
            await open_store(database, named("vault-transit:transit/remit"), NOW)
        assert await wrapped_keys(database) == []

    async def test_a_service_that_does_not_bind_the_id_is_refused(self, new_database: NewDatabase) -> None:
        class Loose(Master):
            async def unwrap(self, wrapped: bytes, key_id: str) -> bytes:
                return await super().unwrap(wrapped, ID)

            async def wrap(self, data_key: bytes, key_id: str) -> bytes:
                return await super().wrap(data_key, ID)

        with pytest.raises(IntegrityError, match="does not bind"):
            await open_store(new_database("sqlite"), Loose(bytes(32)), NOW)


@pytest.mark.parametrize("answer", [b"nothing that opens", None])
async def test_what_does_not_open_again_is_no_wrapping(answer: bytes | None, new_database: NewDatabase) -> None:
    class Broken(Master):
        async def wrap(self, data_key: bytes, key_id: str) -> bytes:
            return answer or await super().wrap(bytes(32), key_id)

    database = new_database("sqlite")
    with pytest.raises(IntegrityError):
        await open_store(database, Broken(b"m" * 32), NOW)
    assert await wrapped_keys(database) == []


class Away:
    """A key service that opened what it wrapped, until it went away."""

    id = "away"

    def __init__(self) -> None:
        self.here = False
        self.asked = 0
        self._master = Master(b"m" * 32)

    async def wrap(self, data_key: bytes, key_id: str) -> bytes:
        return await self._asked(self._master.wrap(data_key, key_id))

    async def unwrap(self, wrapped: bytes, key_id: str) -> bytes:
        self.asked += 1
        return await self._asked(self._master.unwrap(wrapped, key_id))

    async def _asked(self, answer: Any) -> bytes:
        await asyncio.sleep(0.01)
        if not self.here:
            answer.close()
            raise KeeperUnavailable("away")
        return bytes(await answer)


class TestOnTheWayOfARequest:
    async def test_a_key_service_is_asked_once_for_a_new_data_key_and_never_again(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keeper = Away()
        keeper.here = True
        mine, theirs = [await open_store(database_url, keeper, NOW) for _ in range(2)]
        monkeypatch.setattr(theirs._keyring, "_heard", lambda _: None)
        theirs.engine._wakes.clear()  # type: ignore[attr-defined]
        await rotate_data_key(mine, keeper, event("key.rotated"), NOW)
        await mine.commit(*(mine.secrets.add(f"s{n}", b"v") for n in range(20)))
        keeper.asked = 0
        await asyncio.gather(*(theirs.secrets.get(f"s{n}") for n in range(20)))
        assert keeper.asked == 1
        await asyncio.gather(*(theirs.secrets.get(f"s{n}") for n in range(20)))
        assert keeper.asked == 1
        for store in (mine, theirs):
            await store.close()

    async def test_a_new_data_key_that_cannot_be_opened_now_is_busy_and_what_is_known_goes_on(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keeper = Away()
        keeper.here = True
        mine, theirs = [await open_store(database_url, keeper, NOW) for _ in range(2)]
        monkeypatch.setattr(theirs._keyring, "_heard", lambda _: None)
        theirs.engine._wakes.clear()  # type: ignore[attr-defined]
        await mine.commit(mine.secrets.add("old", b"v"))
        await rotate_data_key(mine, keeper, event("key.rotated"), NOW)
        await mine.commit(mine.secrets.add("new", b"v"))
        keeper.here = False
        with pytest.raises(Busy):
            await theirs.secrets.get("new")
        assert await theirs.secrets.get("old") == b"v"
        keeper.here = True
        assert await theirs.secrets.get("new") == b"v"
        for store in (mine, theirs):
            await store.close()


class TestDeadline:
    async def test_a_call_that_hangs_is_left_behind_and_blocks_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keepers, "DEADLINE_SECONDS", 0.2)
        started = time.monotonic()
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        with pytest.raises(KeeperUnavailable, match="does not answer"):
            await apart(lambda: time.sleep(1), "slow")
        ticking.cancel()
        assert time.monotonic() - started < 0.8
        assert ticks > 5

    def test_a_process_ends_though_a_call_still_hangs(self) -> None:
        code = (
            "import asyncio, time\nfrom remit_server.storage import keepers\nkeepers.DEADLINE_SECONDS = 0.1\n"
            "try: asyncio.run(keepers.apart(lambda: time.sleep(60), 'slow'))\n"
            "except keepers.KeeperUnavailable as error: print(error)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
        assert "does not answer" in done.stdout
        assert done.stderr == ""


@proves("sealing.key-services")
class TestGoogle:
    @pytest.fixture
    def keeper(self, google: Google) -> Keeper:
        return named(f"gcp-kms:{GOOGLE_KEY}remit")

    @pytest.mark.parametrize(
        ("method", "change"),
        [
            ("encrypt", {"verified_plaintext_crc32c": False}),
            ("encrypt", {"verified_additional_authenticated_data_crc32c": False}),
            ("encrypt", {"ciphertext": b"flipped on the way"}),
            ("encrypt", {"name": f"{GOOGLE_KEY}other/cryptoKeyVersions/1"}),
            ("decrypt", {"plaintext": bytes(32)}),
            ("decrypt", {"plaintext_crc32c": 1}),
        ],
    )
    async def test_what_was_damaged_on_the_way_is_not_believed(
        self, keeper: Keeper, google: Google, method: str, change: dict[str, Any]
    ) -> None:
        wrapped = await keeper.wrap(KEY, ID)

        def damaged(called: str, reply: Any) -> Any:
            for name, value in change.items() if called == method else ():
                setattr(reply, name, value)
            return reply

        google.fault = damaged
        with pytest.raises(KeeperUnavailable):
            await (keeper.wrap(KEY, ID) if method == "encrypt" else keeper.unwrap(wrapped, ID))

    async def test_it_opens_nothing_but_a_key_of_32_bytes(self, keeper: Keeper) -> None:
        short = await keeper.wrap(b"short", ID)
        with pytest.raises(IntegrityError):
            await keeper.unwrap(short, ID)

    @pytest.mark.parametrize("status", ["PERMISSION_DENIED", "FAILED_PRECONDITION", "INTERNAL", "UNAVAILABLE"])
    async def test_a_refusal_is_told_in_one_plain_line(
        self, keeper: Keeper, google: Google, status: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wrapped = await keeper.wrap(KEY, ID)
        monkeypatch.setattr(gcp_kms, "READ_SECONDS", 0.5)
        google.refuse = status
        for asked in (keeper.wrap(KEY, ID), keeper.unwrap(wrapped, ID)):
            with pytest.raises(KeeperUnavailable) as refused:
                await asked
            assert "\x1b" not in str(refused.value)
            assert "\n" not in str(refused.value)

    async def test_slow_is_given_up(self, keeper: Keeper, google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gcp_kms, "READ_SECONDS", 0.3)
        google.fault = lambda _, reply: (time.sleep(1), reply)[1]
        with pytest.raises(KeeperUnavailable):
            await keeper.wrap(KEY, ID)

    async def test_a_key_that_is_not_there(self, google: Google) -> None:
        with pytest.raises(KeeperUnavailable, match="no such key"):
            await named(f"gcp-kms:{GOOGLE_KEY}missing").wrap(KEY, ID)


@proves("sealing.key-services")
class TestAws:
    @pytest.fixture
    def keeper(self, liar: Liar, monkeypatch: pytest.MonkeyPatch) -> Keeper:
        point_aws_at(liar.url, monkeypatch)
        monkeypatch.setattr(aws_kms, "READ_SECONDS", 0.3)
        return named("aws-kms:alias/remit")

    @pytest.mark.parametrize(
        ("code", "raised"),
        [
            ("InvalidCiphertextException", IntegrityError),
            ("IncorrectKeyException", IntegrityError),
            ("AccessDeniedException", KeeperUnavailable),
            ("NotFoundException", KeeperUnavailable),
            ("DisabledException", KeeperUnavailable),
            ("KMSInvalidStateException", KeeperUnavailable),
        ],
    )
    async def test_what_a_refusal_means(self, keeper: Keeper, liar: Liar, code: str, raised: type[Exception]) -> None:
        liar.says(400, {"__type": code, "message": "the\x1b[2J\nreason"})
        with pytest.raises(raised, match=code) as refused:
            await keeper.unwrap(b"wrapped", ID)
        assert not {"\x1b", "\n"} & set(str(refused.value))

    async def test_a_request_names_the_key_and_the_context(self, keeper: Keeper, liar: Liar) -> None:
        liar.says(200, {"Plaintext": b64encode(KEY).decode(), "KeyId": "k"})
        assert await keeper.unwrap(b"wrapped", ID) == KEY
        _, sent, _ = liar.seen[-1]
        assert sent == {
            "KeyId": "alias/remit",
            "CiphertextBlob": b64encode(b"wrapped").decode(),
            "EncryptionContext": {"remit": "data_keys", "id": ID},
        }

    @pytest.mark.parametrize(
        "reply", [{}, {"Plaintext": ""}, {"Plaintext": b64encode(b"short").decode()}, [], b"<html>"]
    )
    async def test_a_reply_without_a_key_is_refused(self, keeper: Keeper, liar: Liar, reply: Any) -> None:
        liar.says(200, reply)
        with pytest.raises((KeeperUnavailable, IntegrityError)):
            await keeper.unwrap(b"wrapped", ID)

    async def test_trouble_and_slowness_are_told(self, keeper: Keeper, liar: Liar) -> None:
        liar.says(500, {"__type": "KMSInternalException"})
        with pytest.raises(KeeperUnavailable):
            await keeper.wrap(KEY, ID)
        liar.answer = lambda *_: (time.sleep(1), (200, {}, b"{}"))[1]
        with pytest.raises(KeeperUnavailable):
            await keeper.wrap(KEY, ID)

    async def test_data_keys_do_not_travel_in_the_clear(self, monkeypatch: pytest.MonkeyPatch) -> None:
        point_aws_at("http://kms.example", monkeypatch)
        with pytest.raises(KeeperUnavailable, match="not https"):
            await named("aws-kms:alias/remit").wrap(KEY, ID)

    async def test_no_credentials_and_no_region(self, keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        with pytest.raises(KeeperUnavailable, match="credentials"):
            await keeper.wrap(KEY, ID)
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        with pytest.raises(KeeperUnavailable, match="region"):
            await named("aws-kms:alias/remit").wrap(KEY, ID)


@proves("sealing.key-services")
class TestTransit:
    @pytest.fixture
    def keeper(self, liar: Liar, monkeypatch: pytest.MonkeyPatch) -> Keeper:
        monkeypatch.setenv("VAULT_ADDR", liar.url)
        monkeypatch.setenv("VAULT_TOKEN", "hush")
        monkeypatch.setattr(vault_transit, "READ_SECONDS", 0.3)
        return named("vault-transit:transit/remit")

    async def test_a_token_without_permission(self, openbao: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VAULT_TOKEN", "denied")
        keeper = named("vault-transit:transit/remit")
        for asked in (keeper.wrap(KEY, ID), keeper.unwrap(b"vault:v1:AAAA", ID)):
            with pytest.raises(KeeperUnavailable, match="permission denied"):
                await asked

    async def test_no_such_engine(self, openbao: str) -> None:
        with pytest.raises(KeeperUnavailable):
            await named("vault-transit:elsewhere/remit").wrap(KEY, ID)

    async def test_an_old_one_that_passes_over_the_associated_data_is_refused(self, keeper: Keeper, liar: Liar) -> None:
        def answer(path: str, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
            if "encrypt" in path:
                return 200, {}, b'{"data": {"ciphertext": "vault:v1:%s"}}' % body["plaintext"].encode()
            return 200, {}, b'{"data": {"plaintext": "%s"}}' % body["ciphertext"].removeprefix("vault:v1:").encode()

        liar.answer = answer
        with pytest.raises(IntegrityError, match="does not bind"):
            await wrap_surely(keeper, KEY, ID)

    async def test_a_redirect_is_not_followed(self, keeper: Keeper, liar: Liar) -> None:
        liar.says(307, Location=f"{liar.url}/elsewhere")
        with pytest.raises(KeeperUnavailable):
            await keeper.wrap(KEY, ID)
        assert len(liar.seen) == 1

    @pytest.mark.parametrize(
        "reply",
        [
            b"",
            b"<html>",
            [],
            {},
            {"data": None},
            {"data": {}},
            {"data": {"plaintext": 7}},
            {"data": {"plaintext": "!"}},
        ],
    )
    async def test_a_reply_without_a_key_is_refused(self, keeper: Keeper, liar: Liar, reply: Any) -> None:
        liar.says(200, reply)
        with pytest.raises(KeeperUnavailable):
            await keeper.unwrap(b"vault:v1:x", ID)

    @pytest.mark.parametrize("status", [403, 404, 412, 429, 500, 502, 503])
    async def test_trouble_is_told_without_the_token(self, keeper: Keeper, liar: Liar, status: int) -> None:
        liar.says(status, {"errors": ["the\x1b[2J\nreason"]})
        with pytest.raises(KeeperUnavailable) as refused:
            await keeper.unwrap(b"vault:v1:x", ID)
        assert not {"\x1b", "\n"} & set(str(refused.value))
        assert "hush" not in str(refused.value)

    async def test_slow_is_given_up(self, keeper: Keeper, liar: Liar) -> None:
        liar.answer = lambda *_: (time.sleep(1), (200, {}, b"{}"))[1]
        with pytest.raises(KeeperUnavailable):
            await keeper.wrap(KEY, ID)

    async def test_neither_in_the_clear_nor_without_a_token(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        monkeypatch.delenv("VAULT_TOKEN", raising=False)
        for address, words in (("http://vault.example:8200", "not https"), ("https://vault.example:8200", "no token")):
            monkeypatch.setenv("VAULT_ADDR", address)
            with pytest.raises(KeeperUnavailable, match=words):
                await named("vault-transit:transit/remit").wrap(KEY, ID)

    async def test_an_address_where_nobody_listens(self, keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
        with pytest.raises(KeeperUnavailable, match="cannot be reached"):
            await keeper.wrap(KEY, ID)
