"""Pure decisions: no await, no clock, no randomness, no environment; time and ids are arguments."""
