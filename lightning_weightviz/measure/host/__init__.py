"""What becomes of the numbers that arrive on the host. Numpy only."""
