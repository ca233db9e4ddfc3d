"""What people and machines see of a running daemon: the control socket, metrics and health, the log."""
