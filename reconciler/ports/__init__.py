"""What the core needs from the world, as small nouns. Implementations live in `reconciler/adapters`."""
