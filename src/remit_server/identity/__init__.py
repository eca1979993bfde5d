"""Pillar 1: who is the user, who is the client, which token."""
