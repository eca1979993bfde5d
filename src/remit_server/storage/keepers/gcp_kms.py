"""Google Cloud KMS, through google-cloud-kms. Credentials are the application default ones.

`additional_authenticated_data` binds a data key to its id. What is sent and what comes back is checked with CRC32C in both
directions (Cloud KMS documentation, "Verify end-to-end data integrity"): a bit that flips on the way would otherwise be
wrapped for good.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from remit_server.errors import ConfigurationError, IntegrityError
from remit_server.storage.keepers import READ_SECONDS, KeeperUnavailable, apart, hush, missing, of_right_length, reason

ENDPOINT: Final = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS"
"""The variable by which Google's own command line is pointed at a private endpoint."""


class GcpKms:
    def __init__(self, key: str) -> None:
        """`key` is `projects/P/locations/L/keyRings/R/cryptoKeys/K`, without a version: its primary one wraps."""
        parts = key.split("/")
        if parts[::2] != ["projects", "locations", "keyRings", "cryptoKeys"] or len(parts) != 8 or not all(parts):
            raise ConfigurationError("gcp-kms: takes projects/P/locations/L/keyRings/R/cryptoKeys/K")
        self._key = key
        self._client: Any = None

    @property
    def id(self) -> str:
        return f"gcp-kms:{self._key}"

    async def wrap(self, data_key: bytes, key_id: str) -> bytes:
        from_crc = _crc32c()
        aad = _aad(key_id)
        reply = await self._asked(
            "encrypt",
            {
                "name": self._key,
                "plaintext": data_key,
                "plaintext_crc32c": from_crc(data_key),
                "additional_authenticated_data": aad,
                "additional_authenticated_data_crc32c": from_crc(aad),
            },
        )
        arrived = reply.verified_plaintext_crc32c and reply.verified_additional_authenticated_data_crc32c
        if not arrived or reply.ciphertext_crc32c != from_crc(reply.ciphertext):
            raise KeeperUnavailable(f"{self.id}: a data key was damaged on the way (CRC32C)")
        if not reply.name.startswith(f"{self._key}/cryptoKeyVersions/"):
            raise KeeperUnavailable(f"{self.id}: another key answered")
        return bytes(reply.ciphertext)

    async def unwrap(self, wrapped: bytes, key_id: str) -> bytes:
        from_crc = _crc32c()
        aad = _aad(key_id)
        reply = await self._asked(
            "decrypt",
            {
                "name": self._key,
                "ciphertext": wrapped,
                "ciphertext_crc32c": from_crc(wrapped),
                "additional_authenticated_data": aad,
                "additional_authenticated_data_crc32c": from_crc(aad),
            },
        )
        if reply.plaintext_crc32c != from_crc(reply.plaintext):
            raise KeeperUnavailable(f"{self.id}: a data key was damaged on the way (CRC32C)")
        return of_right_length(bytes(reply.plaintext), self.id)

    async def _asked(self, method: str, request: dict[str, Any]) -> Any:
        try:
            from google.api_core.exceptions import GoogleAPICallError, InvalidArgument, RetryError  # noqa: PLC0415 - an extra
            from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415
        except ImportError as error:
            raise missing("gcp-kms", error) from error
        try:
            return await apart(
                lambda: getattr(self._connected(), method)(request=request, **_patience()),
                self.id,
                (GoogleAPICallError, RetryError, GoogleAuthError),
            )
        except InvalidArgument as error:
            # Of a ciphertext that is not this key's or not this id's Google says INVALID_ARGUMENT, and no more.
            if method == "decrypt":
                raise IntegrityError(f"{self.id} does not open a data key: {reason(error)}") from error
            raise KeeperUnavailable(f"{self.id} refuses: {reason(error)}") from error
        except GoogleAPICallError as error:
            raise KeeperUnavailable(f"{self.id} refuses: {reason(error)}") from error
        except (RetryError, GoogleAuthError) as error:
            raise KeeperUnavailable(f"{self.id} cannot be asked: {reason(error)}") from error

    def _connected(self) -> Any:
        if self._client is None:
            from google.cloud import kms  # noqa: PLC0415 - an extra

            hush("google")
            options = {"api_endpoint": urlsplit(url).netloc} if (url := os.environ.get(ENDPOINT)) else None
            self._client = kms.KeyManagementServiceClient(client_options=options)
        return self._client


def _patience() -> dict[str, Any]:
    from google.api_core import retry  # noqa: PLC0415 - an extra

    again = retry.Retry(predicate=retry.if_transient_error, initial=0.2, timeout=READ_SECONDS)
    return {"timeout": READ_SECONDS, "retry": again}


def _crc32c() -> Callable[[bytes], int]:
    try:
        import google_crc32c  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise missing("gcp-kms", error) from error
    value: Callable[[bytes], int] = google_crc32c.value
    return value


def _aad(key_id: str) -> bytes:
    return f"data_keys|{key_id}".encode()
