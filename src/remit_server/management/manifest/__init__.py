"""`remit.yaml`: read, checked, compared with the store, applied."""
