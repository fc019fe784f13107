"""The bins in which values are counted: the same for every tensor, epoch and rank, found without a range.

A float's sign, exponent and first four mantissa bits name its *bucket*: sixteen buckets an octave. For the copy the
buckets become *slots* relative to the octave of the largest magnitude: 10 octaves of 16 slots, 8 octaves of 4, and one
slot for all that is smaller, for each sign; one slot for zeros.
"""

from __future__ import annotations

BUCKETS = 4096
"""Buckets of one sign: 256 exponents of float32 times 16."""
FINE = 10 * 16
"""Slots of one sign that are one bucket each: the largest magnitudes."""
COARSE = 8 * 4
"""Slots of one sign that are four buckets each."""
MAGNITUDES = FINE + COARSE + 1
"""Slots of one sign; number 0 is the largest magnitudes, the last is all that is near 0."""
ZERO = MAGNITUDES
"""The slot of exact zeros, after the negative ones and before the positive ones."""
SLOTS = 2 * MAGNITUDES + 1
"""Slots of finite values, in the order of the values."""
TOP = 127 * 16 + 15
"""The last bucket below 2: that of the largest magnitudes, once scaled to [1, 2)."""
