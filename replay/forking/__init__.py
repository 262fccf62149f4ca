"""What if: a recorded run, decided on with a change, from the recording as far as that goes."""
