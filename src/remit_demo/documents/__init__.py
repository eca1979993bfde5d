"""A document assistant: a few hundred papers of a small investment office, and a search that knows whom it is for."""
