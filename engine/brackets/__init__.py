"""Orders that belong together: entries with their stops and targets, and groups of requested orders."""
