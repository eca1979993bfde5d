"""Moving what a relation store holds between Remit and OpenFGA, either way."""
