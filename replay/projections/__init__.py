"""Read models of a tape in databases: orders, fills, trades and positions, each event exactly once."""
