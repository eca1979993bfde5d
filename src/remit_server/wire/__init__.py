"""HTTP in and out. Nothing here decides anything."""
