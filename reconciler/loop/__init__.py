"""The live loop: observes, steps, appends once, performs, and feeds outcomes back."""
