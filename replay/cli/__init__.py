"""The command lines of the replay: parse, call one function, print. Exit codes: `replay.errors`."""
