"""The check and the story: replaying recorded runs. Cannot reach the world."""
