"""Providers and detail types as data, each held against a schema."""
