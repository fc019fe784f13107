"""What is kept from snapshot to snapshot, in bounded space: colour ranges, films and curves. Numpy only."""
