"""A replay in a process of its own that can reach nothing: no environment, no network, no programs, no files."""
