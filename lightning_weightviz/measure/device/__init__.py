"""What is enqueued on the device that holds the weights."""
