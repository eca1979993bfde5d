"""The transit engine of HashiCorp Vault or OpenBao, through hvac.

Where it is and who we are: VAULT_ADDR, VAULT_TOKEN (or ~/.vault-token), VAULT_NAMESPACE, VAULT_CACERT, as its own command line
reads them. `associated_data` binds a data key to its id, so the key must be of an AEAD type (aes256-gcm96, aes128-gcm96,
chacha20-poly1305). Redirects are not followed: the token goes to the address that the operator named.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from remit_server.config import is_loopback
from remit_server.errors import ConfigurationError, IntegrityError
from remit_server.storage.keepers import (
    CONNECT_SECONDS,
    READ_SECONDS,
    KeeperUnavailable,
    apart,
    missing,
    of_right_length,
    reason,
)


class VaultTransit:
    def __init__(self, key: str) -> None:
        """`key` is `MOUNT/NAME`, such as `transit/remit`."""
        self._mount, _, self._name = key.rpartition("/")
        if not self._mount or not self._name:
            raise ConfigurationError("vault-transit: takes MOUNT/KEY, such as transit/remit")
        self._client: Any = None

    @property
    def id(self) -> str:
        return f"vault-transit:{self._mount}/{self._name}"

    async def wrap(self, data_key: bytes, key_id: str) -> bytes:
        data = await self._asked(
            lambda transit: transit.encrypt_data(
                self._name, b64encode(data_key).decode(), mount_point=self._mount, associated_data=_associated(key_id)
            ),
            "ciphertext",
        )
        return data.encode()

    async def unwrap(self, wrapped: bytes, key_id: str) -> bytes:
        data = await self._asked(
            lambda transit: transit.decrypt_data(
                self._name,
                wrapped.decode("ascii", "replace"),
                mount_point=self._mount,
                associated_data=_associated(key_id),
            ),
            "plaintext",
        )
        try:
            return of_right_length(b64decode(data, validate=True), self.id)
        except Error as error:
            raise KeeperUnavailable(f"{self.id} answers what is not base64") from error

    async def _asked(self, call: Callable[[Any], Any], wanted: str) -> str:
        """The text that the reply has under `data`."""
        try:
            from hvac.exceptions import InvalidRequest, VaultError  # noqa: PLC0415 - an extra
            from requests.exceptions import RequestException  # noqa: PLC0415
        except ImportError as error:
            raise missing("vault-transit", error) from error
        try:
            reply = await apart(
                lambda: call(self._connected().secrets.transit), self.id, (VaultError, RequestException)
            )
        except VaultError as error:
            # Of a ciphertext that is not this key's or not this id's transit says 400, as of any bad request.
            if isinstance(error, InvalidRequest) and wanted == "plaintext":
                raise IntegrityError(f"{self.id} does not open a data key: {reason(error)}") from error
            raise KeeperUnavailable(f"{self.id} refuses: {reason(error)}") from error
        except RequestException as error:
            raise KeeperUnavailable(f"{self.id} cannot be reached: {reason(error)}") from error
        data = reply.get("data") if isinstance(reply, dict) else None
        text = data.get(wanted) if isinstance(data, dict) else None
        if not isinstance(text, str) or not text:  # a redirect, a proxy's page, another engine at this path
            raise KeeperUnavailable(f"{self.id} answers without {wanted}")
        return text

    def _connected(self) -> Any:
        if self._client is None:
            import hvac  # noqa: PLC0415 - an extra

            client = hvac.Client(
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                namespace=os.environ.get("VAULT_NAMESPACE"),
            )
            url = urlsplit(client.url)
            if url.scheme != "https" and not is_loopback(url.hostname or ""):
                raise KeeperUnavailable(f"{self.id}: VAULT_ADDR is not https, and data keys travel there in the clear")
            if not client.token:
                raise KeeperUnavailable(f"{self.id}: there is no token: set VAULT_TOKEN")
            self._client = client
        return self._client


def _associated(key_id: str) -> str:
    return b64encode(f"data_keys|{key_id}".encode()).decode()
