"""Pillar 4: what an agent may see: relations and checks."""
