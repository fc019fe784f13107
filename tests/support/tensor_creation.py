"""Finds calls that make a tensor and leave its dtype or its device to torch's defaults."""

from __future__ import annotations

import ast
from collections.abc import Iterator

MAKERS = {
    *("tensor", "as_tensor", "asarray", "scalar_tensor", "empty", "zeros", "ones", "full", "eye", "empty_strided"),
    *("arange", "range", "linspace", "logspace", "rand", "randn", "randint", "randperm", "normal", "empty_permuted"),
    *("hann_window", "hamming_window", "kaiser_window", "tril_indices", "triu_indices", "complex", "polar"),
}
CLASSES = {"Tensor", "FloatTensor", "DoubleTensor", "HalfTensor", "LongTensor", "IntTensor", "BoolTensor"}


def undecided(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each call ``torch.<maker>(...)`` that does not say both ``dtype`` and ``device``."""
    tree = ast.parse(source)
    imported = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "torch"
        for alias in node.names
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "torch":
            name = called.attr
        elif isinstance(called, ast.Name):
            name = imported.get(called.id, "")
        else:
            continue
        given = {keyword.arg for keyword in node.keywords}
        if name in CLASSES or (name in MAKERS and not {"dtype", "device"} <= given):
            yield node.lineno, ast.unparse(node)
