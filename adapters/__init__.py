"""Everything that touches the world: exchanges, market data files, journals, strategies' hosts, the command line."""
