"""Pillar 2: call other people's APIs on the user's behalf, without the agent ever holding the account."""
