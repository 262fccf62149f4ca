"""Pure computations on data: archives, substitution, manifests, readiness, expressions.

No I/O, no clock, no chance, no event loop: the offline replay runs these again on recorded inputs and must get the same
outputs. What reaches the world lives in `reconciler.adapters`.
"""
