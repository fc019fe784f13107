"""One step of the Lanczos iteration."""

from __future__ import annotations

import triton
import triton.language as tl

from lightning_weightviz.measure.device import spectrum

NOISE = tl.constexpr(spectrum.NOISE)


@triton.jit
def _inside(known, vector, length, width, longest, STEPS: tl.constexpr, BLOCK: tl.constexpr):
    """Products of a vector with so many rows of a basis, (STEPS,), 0 for the others."""
    row = tl.arange(0, STEPS)
    products = tl.zeros([STEPS, BLOCK], tl.float32)
    for begin in range(0, length, BLOCK):
        place = begin + tl.arange(0, BLOCK)
        there = (row < width)[:, None] & (place < length)[None, :]
        rows = tl.load(known + row[:, None] * longest + place[None, :], mask=there, other=0.0)
        products += rows * tl.load(vector + place, mask=place < length, other=0.0)[None, :]
    return tl.sum(products, axis=1)


@triton.jit
def _take_away(known, vector, factor, inside, out, length, width, longest, STEPS: tl.constexpr, BLOCK: tl.constexpr):
    """Stores a vector times a factor less what of it lies in the basis, and gives the square of its norm."""
    row = tl.arange(0, STEPS)
    squares = tl.zeros([BLOCK], tl.float32)
    for begin in range(0, length, BLOCK):
        place = begin + tl.arange(0, BLOCK)
        there = (row < width)[:, None] & (place < length)[None, :]
        rows = tl.load(known + row[:, None] * longest + place[None, :], mask=there, other=0.0)
        value = tl.load(vector + place, mask=place < length, other=0.0) * factor
        value -= tl.sum(rows * inside[:, None], axis=0)
        tl.store(out + place, value, mask=place < length)
        squares += value * value
    # Other threads of this program read it next.
    tl.debug_barrier()
    return tl.sum(squares, axis=0)


# One kernel for all steps and sizes, not one for those that are 1 and those that 16 divides.
@triton.jit(do_not_specialize=["step", "steps", "longest", "matrices"])
def take_step(
    lengths, products, basis, sides, step, steps, longest, matrices, STEPS: tl.constexpr, BLOCK: tl.constexpr
):
    """One step of one matrix; as of `lightning_weightviz.measure.device.spectrum.iterate`."""
    number = tl.program_id(0).to(tl.int64)
    length = tl.load(lengths + number).to(tl.int32)
    product = products + number * longest
    known = basis + number * steps * longest
    newest = known + step * longest
    width = step + 1
    inside = _inside(known, product, length, width, longest, STEPS, BLOCK)
    row = tl.arange(0, STEPS)
    alphas = sides + number * steps
    tl.store(alphas + step, tl.sum(tl.where(row == step, inside, 0.0), axis=0))
    tl.debug_barrier()
    if step + 1 < steps:
        so_far = tl.load(alphas + row, mask=row < width, other=0.0)
        largest = tl.max(so_far, axis=0)
        rest = newest + longest
        # What is left where the space is exhausted is rounding noise: no direction, so the iteration stays at 0.
        found = tl.sqrt(_take_away(known, product, 1.0, inside, rest, length, width, longest, STEPS, BLOCK))
        goes_on = found > NOISE * largest
        tl.store(sides + (matrices + number) * steps + step, tl.where(goes_on, found, 0.0))
        factor = tl.where(goes_on, 1.0, 0.0) / tl.maximum(found, 1e-30)
        # Once more without the basis, as rounding errors of the first time would grow with the steps.
        again = _inside(known, rest, length, width, longest, STEPS, BLOCK) * factor
        square = _take_away(known, rest, factor, again, rest, length, width, longest, STEPS, BLOCK)
        norm = tl.where(goes_on, 1.0 / tl.maximum(tl.sqrt(square), 1e-30), 0.0)
        for begin in range(0, length, BLOCK):
            place = begin + tl.arange(0, BLOCK)
            value = tl.load(rest + place, mask=place < length, other=0.0)
            tl.store(rest + place, tl.where(goes_on, value * norm, 0.0), mask=place < length)
