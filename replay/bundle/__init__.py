"""Bundles: one run of one StageSet in one file, `<name>.stagereplay`, that proves itself and carries no secret."""
