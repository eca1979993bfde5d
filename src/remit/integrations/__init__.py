"""Thin layers over frameworks. Each is imported by name, and needs its framework installed."""
