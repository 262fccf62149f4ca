"""What each event makes of a state, by what the event is about. `reconciler.evolve` chooses among them.

Nothing is decided here, and nothing is refused but a move that the table of phases does not have.
"""
