"""Exports: records in formats of other programs, one after the other, in constant memory.

Not a backup: a ledger is restored from its file. Every record carries its position and hashes, so that it can be held
against the ledger it came from.
"""
