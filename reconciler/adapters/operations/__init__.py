"""The operations apply, prune, verify and inventory, performed on the Cluster port.

Not decisions: what to do was decided and recorded before; here it is done and its outcome returned as a value.
Invariant: a refusal by a cluster is data, never an exception; only our own bugs and cancellation raise.
"""
