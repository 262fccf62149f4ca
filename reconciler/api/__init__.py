"""The API `stages.metio.wtf/v1`: types, durations, names, reasons, validation, and the CRDs made from them.

Not behaviour: nothing here decides, does I/O or knows the time. Invariant: the types are the only source of the schema;
the CRDs, the reference page and the structural checks are derived from them.
"""
