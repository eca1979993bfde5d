"""The machines: what is impure, in one place each. Rooms get them through `Machines`."""
