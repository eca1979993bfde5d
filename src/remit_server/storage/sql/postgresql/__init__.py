"""PostgreSQL: one writing connection, a few reading ones, one that listens, all over asyncpg."""

from remit_server.storage.sql.postgresql.engine import PostgresEngine
from remit_server.storage.sql.postgresql.link import alone

__all__ = ["PostgresEngine", "alone"]
