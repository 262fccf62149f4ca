"""The rules between fields of a StageSet (CONTRACT §1.2), one module per part of the spec.

Each module has a generator of problems over decoded Structs; the shape is known to be right. `reconciler.api.validate`
calls them all.
"""
