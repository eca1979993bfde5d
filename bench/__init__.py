"""The bench: Remit beside oidc-provider, the same requests, the same durability, in one run. Method: docs/benchmarks/README.md."""
