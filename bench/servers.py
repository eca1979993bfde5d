"""The servers side by side: how each is started, pinned, asked whether it answers, and weighed."""

import base64
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.flows import ES256_API, REDIRECT_URI, SCOPE, Target
from bench.load import parse
from bench.sign_in import sign_in

HERE = Path(__file__).parent
PEER = HERE / "peer"
SERVER_CORE, LOAD_CORE = 0, 1
EMAIL = "ada@example.com"


def pin(pid: int, core: int) -> None:
    """Keep a process, and what it starts from now on, on one core; where the system cannot (macOS), leave it."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > core:
        os.sched_setaffinity(pid, {core})


def tree(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process and its living children, in seconds."""
    total = 0.0
    for member in tree(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = member.cpu_times()
            total += times.user + times.system
    return total


@dataclass(frozen=True)
class Memory:
    """Megabytes (2^20) of a server's processes together."""

    rss: float
    pss: float
    """Shared pages divided among their users; equal to rss where the system does not tell."""

    @classmethod
    def of(cls, process: psutil.Process) -> "Memory":
        facts = [member.memory_full_info() for member in tree(process)]
        rss = sum(fact.rss for fact in facts)
        return cls(rss / 2**20, sum(getattr(fact, "pss", fact.rss) for fact in facts) / 2**20)


@dataclass(frozen=True)
class Contender:
    """A server that can be started: its name in the tables, its command, and what it reads from the environment."""

    name: str
    command: tuple[str, ...]
    """`{port}` stands for the port."""
    environment: dict[str, str]
    directory: Path
    password: str
    session_each: bool
    """A session per connection. The peer's in-memory adapter walks all artefacts of a grant on every write, which would
    slow it down for no reason but the bench; signing in costs it nothing, while ours hashes a password."""


@dataclass
class Running:
    contender: Contender
    process: psutil.Process
    port: int
    first_answer: float
    """Seconds from the start of the process to its first token."""
    cookies: list[str] = field(default_factory=list)

    def targets(self, connections: int, *, with_user: bool) -> list[Target]:
        """One per connection, with a signed-in session where the flow has a user."""
        secret = self.contender.environment["BENCH_SECRET"]
        if not with_user:
            return [Target(self.port, secret)] * connections
        if self.contender.session_each:
            cookies = [sign_in(self.port, EMAIL, self.contender.password) for _ in range(connections)]
        else:
            self.cookies = self.cookies or [sign_in(self.port, EMAIL, self.contender.password)]
            cookies = self.cookies * connections
        return [Target(self.port, secret, cookie) for cookie in cookies]


@contextlib.contextmanager
def running(contender: Contender, logs: Path) -> Iterator[Running]:
    """Start a server on its core and wait for its first token; end it afterwards."""
    port = free_port()
    log = logs / f"{contender.name.replace(' ', '-')}.log"
    start = time.perf_counter()
    with log.open("w") as output:
        child = subprocess.Popen(
            [part.format(port=port) for part in contender.command],
            cwd=contender.directory,
            env={**os.environ, **contender.environment, "PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: pin(0, SERVER_CORE),  # noqa: PLW1509 - the bench has one thread
        )
    try:
        wait_for_token(Target(port, contender.environment["BENCH_SECRET"]), child, log)
        yield Running(contender, psutil.Process(child.pid), port, time.perf_counter() - start)
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_token(target: Target, child: "subprocess.Popen[bytes]", log: Path, patience: float = 20) -> None:
    request = target.token("bench-es256", grant_type="client_credentials", resource=ES256_API, scope=SCOPE)
    deadline = time.monotonic() + patience
    answer = None
    while time.monotonic() < deadline and child.poll() is None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", target.port), timeout=1) as connection,
        ):
            connection.sendall(request)
            received = b""
            while (answer := parse(received)) is None and (data := connection.recv(65536)):
                received += data
            if answer and answer.status == 200:
                return
        time.sleep(0.005)
    state = "ended" if child.poll() is not None else f"gave no token within {patience} s; its last answer: {answer}"
    raise RuntimeError(f"{log.stem} {state}\n{log.read_text()[-3000:]}")


def remit(
    database_url: str,
    secret: str,
    password: str,
    *,
    issuer: str = "http://127.0.0.1:{port}",
    master: bytes | None = None,
) -> Contender:
    master = master or secrets.token_bytes(32)
    command = Path(sys.executable).parent / "remit"
    return Contender(
        name="remit",
        command=(
            str(command), "serve", "--config", str(HERE / "remit.yaml"), "--database", database_url,
            "--issuer", issuer, "--port", "{port}", "--workers", "1",
        ),
        environment={
            "BENCH_SECRET": secret,
            "BENCH_PASSWORD": password,
            "REMIT_MASTER_KEY": base64.urlsafe_b64encode(master).rstrip(b"=").decode(),
        },
        directory=HERE,
        password=password,
        session_each=False,
    )  # fmt: skip


def oidc_provider(name: str, database_url: str | None, secret: str, jwks: Path) -> Contender:
    environment = {
        "BENCH_SECRET": secret,
        "BENCH_JWKS": str(jwks),
        "BENCH_REDIRECT_URI": REDIRECT_URI,
        "BENCH_DATABASE_URL": database_url or "",
        "NODE_ENV": "production",
    }
    return Contender(name, (node(), "server.js"), environment, PEER, password="", session_each=True)


def node() -> str:
    """The Node.js that the peer's lock pins; on a platform for which none is published, the one on PATH."""
    for pinned in PEER.glob("node_modules/node-*/bin/node"):
        return str(pinned)
    if found := shutil.which("node"):
        return found
    raise SystemExit("the bench needs Node.js >= 22 for its peer: https://nodejs.org/")


def install_peer() -> None:
    """Exactly what its lock says, once."""
    if (PEER / "node_modules" / "oidc-provider").exists():
        return
    if not shutil.which("npm"):
        raise SystemExit("the bench needs npm (Debian: apt install npm) to install its peer, oidc-provider")
    subprocess.run(["npm", "ci"], cwd=PEER, check=True)
