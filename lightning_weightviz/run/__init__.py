"""Threads, time, errors and checkpoints. Knows no weights."""
