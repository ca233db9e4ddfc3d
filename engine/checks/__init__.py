"""What must hold before an order opens or enlarges a position, and the risk levels that scale sizes."""
