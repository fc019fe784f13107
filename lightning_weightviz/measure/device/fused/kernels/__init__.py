"""What runs on the device, in Triton's Python. Only the files one folder up launch it."""
