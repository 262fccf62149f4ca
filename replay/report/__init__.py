"""One page for a browser that tells a run: self-contained, without a script, whatever a bundle holds."""
