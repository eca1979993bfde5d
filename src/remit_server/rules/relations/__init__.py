"""Fine-grained access, purely: OpenFGA's language, what a model means, and how questions are answered from tuples."""
