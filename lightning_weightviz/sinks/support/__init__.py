"""What sinks share, and what hands batches to them. No file in here is a sink."""
