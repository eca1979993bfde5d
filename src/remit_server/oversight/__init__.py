"""The company's say: the one door that every token, exchange and approval passes."""
