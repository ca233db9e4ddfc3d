"""Circuit breakers: conditions watched, actions taken, and how each is armed again."""
