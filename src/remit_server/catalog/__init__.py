"""Data, not code: what kinds of things can be asked for, and which providers there are."""
