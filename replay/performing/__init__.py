"""The shipped hands at work inside a replay: on what was recorded or on a simulated cluster, never on the world."""
