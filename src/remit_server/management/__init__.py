"""The Management API, and what `remit apply` and the console stand on."""
