"""Telling people that an agent waits for their word. A channel is a file; none of them can answer."""
