"""Questions to a tape: what happened when, and how everything stood; pure reading."""
