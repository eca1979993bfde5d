"""AWS KMS, through boto3. Credentials, region and endpoint are found as AWS's own tools find them.

`EncryptionContext` binds a data key to its id (AWS KMS Developer Guide, "Encryption context"): it is the AAD of the
ciphertext, and stands in CloudTrail, so it holds no secret. Decrypt names the key, so a ciphertext of another key is refused
(API reference, Decrypt, KeyId).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from remit_server.config import is_loopback
from remit_server.errors import IntegrityError
from remit_server.storage.keepers import (
    CONNECT_SECONDS,
    READ_SECONDS,
    KeeperUnavailable,
    apart,
    hush,
    missing,
    of_right_length,
    reason,
)

NOT_OURS: Final = {"InvalidCiphertextException", "IncorrectKeyException"}


class AwsKms:
    def __init__(self, key: str) -> None:
        """`key` is a key id, an alias (`alias/NAME`) or the ARN of either. An ARN names its region."""
        self._key = key
        self._client: Any = None

    @property
    def id(self) -> str:
        return f"aws-kms:{self._key}"

    async def wrap(self, data_key: bytes, key_id: str) -> bytes:
        reply = await self._asked(
            lambda kms: kms.encrypt(KeyId=self._key, Plaintext=data_key, EncryptionContext=_context(key_id))
        )
        return _bytes(reply, "CiphertextBlob", self.id)

    async def unwrap(self, wrapped: bytes, key_id: str) -> bytes:
        reply = await self._asked(
            lambda kms: kms.decrypt(KeyId=self._key, CiphertextBlob=wrapped, EncryptionContext=_context(key_id))
        )
        return of_right_length(_bytes(reply, "Plaintext", self.id), self.id)

    async def _asked(self, call: Callable[[Any], Any]) -> Any:
        try:
            from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise missing("aws-kms", error) from error
        try:
            return await apart(lambda: call(self._connected()), self.id, (BotoCoreError, ClientError))
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in NOT_OURS:
                raise IntegrityError(f"{self.id} does not open a data key: {reason(error)}") from error
            raise KeeperUnavailable(f"{self.id} refuses: {reason(error)}") from error
        except BotoCoreError as error:
            raise KeeperUnavailable(f"{self.id} cannot be asked: {reason(error)}") from error

    def _connected(self) -> Any:
        if self._client is None:
            import boto3  # noqa: PLC0415 - an extra
            from botocore.config import Config  # noqa: PLC0415

            hush("botocore")
            parts = self._key.split(":")
            client = boto3.session.Session().client(
                "kms",
                region_name=parts[3] if len(parts) >= 6 and parts[0] == "arn" else None,
                config=Config(
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=READ_SECONDS,
                    retries={"total_max_attempts": 2, "mode": "standard"},
                ),
            )
            url = urlsplit(client.meta.endpoint_url)
            if url.scheme != "https" and not is_loopback(url.hostname or ""):
                raise KeeperUnavailable(
                    f"{self.id}: its endpoint is not https, and data keys travel there in the clear"
                )
            self._client = client
        return self._client


def _context(key_id: str) -> dict[str, str]:
    return {"remit": "data_keys", "id": key_id}


def _bytes(reply: Any, name: str, keeper: str) -> bytes:
    value = reply.get(name)
    if not isinstance(value, bytes) or not value:
        raise KeeperUnavailable(f"{keeper} answers without {name}")
    return value
