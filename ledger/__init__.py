"""The facts: what happened, in order, for ever. Knows nothing of Kubernetes."""
