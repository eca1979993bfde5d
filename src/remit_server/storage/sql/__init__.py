"""One SQL, written once, rendered for SQLite and PostgreSQL."""
