"""From signals to orders: what several strategies want together, how much of it, and towards which position."""
