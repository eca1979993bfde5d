"""Pillar 3: ask the person, answer later."""
