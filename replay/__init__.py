"""The drivers: the one loop of every mode, backtest, refold and verification of a tape."""
