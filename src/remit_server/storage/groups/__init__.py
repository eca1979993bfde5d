"""Typed access to the tables, a file per group. Reading returns records; writing returns steps for a unit."""
