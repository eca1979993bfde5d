"""Cross-origin calls by browser apps: allowed where no cookie counts, for any origin, without credentials."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from remit_server.wire.http import Answer, App, Receive, Scope, Send

OPEN = (b"access-control-allow-origin", b"*")
EXPOSED = (b"access-control-expose-headers", b"WWW-Authenticate, DPoP-Nonce, Retry-After")


def with_cors(app: App, methods: str) -> App:
    """The app, answering preflights and letting every origin read its answers."""
    preflight = Answer(
        204,
        headers=(
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", ", ".join(methods.split())),
            ("access-control-allow-headers", "Authorization, Content-Type, DPoP, MCP-Protocol-Version"),
            ("access-control-max-age", "7200"),
        ),
    )

    async def open_app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await preflight.send(send)
            return
        if not any(name == b"origin" for name, _ in scope["headers"]):
            await app(scope, receive, send)
            return

        async def send_open(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], OPEN, EXPOSED]
            await send(message)

        await app(scope, receive, send_open)

    return open_app
