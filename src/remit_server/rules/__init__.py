"""Pure decisions: facts in, a decision or a refusal out. No I/O, no clock, no randomness, no environment."""
