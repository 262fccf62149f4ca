"""The hands: everything that reaches the world."""
