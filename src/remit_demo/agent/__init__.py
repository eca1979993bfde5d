"""A trading assistant for the terminal: it plans with patterns or with a model, and Remit decides what it may do."""
