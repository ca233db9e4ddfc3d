"""Risk figures of a portfolio, by a reader of the tape. What each one is: `docs/risk-figures.md`."""
