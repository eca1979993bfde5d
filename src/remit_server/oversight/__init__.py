"""The company's say: agents and their state, organisation policy, and the one door that everything passes."""
