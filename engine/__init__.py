"""The fold and its records: pure, deterministic, importing nothing of ours but itself."""
