"""A naive twin of the engine: Python ints, fractions and dicts, written from what the engine's pages say."""
