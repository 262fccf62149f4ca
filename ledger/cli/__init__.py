"""The command lines of the ledger: parse, call one function, print.

Exit codes are a promise: 0 done, 1 something was found, 2 wrong usage, 3 a file cannot be read or written.
"""
