"""Machines: clock, ids, signing, minting, verifying, the one way out, events, work in the background."""
