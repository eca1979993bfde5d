"""HTTP in and out. It reads and writes; it decides nothing."""
