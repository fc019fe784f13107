"""docs/troubleshooting.md quotes every message that the package can give, as the code words it, and no other.

Messages are read from the sources: the constant parts of a string must stand in a quotation, what is filled in may be
anything. Wrong arguments are given to the callback, and what it raises is compared.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import pytest

from lightning_weightviz import WeightVisualizationCallback
from lightning_weightviz.findings import RULES
from lightning_weightviz.run.errors import Tolerance

ROOT = Path(__file__).parent.parent.parent
FILES = sorted((ROOT / "lightning_weightviz").rglob("*.py"))
DOCUMENT = (ROOT / "docs" / "troubleshooting.md").read_text()

ANYTHING = ".*"
LEAST_WORDS = 2
"""A message with fewer words of its own passes on what another one says."""


def table(heading: str) -> list[list[str]]:
    """The rows of the table whose first column is headed so, as cells; what is set as code, without its marks."""
    [rows] = re.findall(rf"^\| {heading} \|.*\n\|[ |:-]+\|\n((?:\|.*\n)+)", DOCUMENT, re.MULTILINE)
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows.splitlines()]
    return [[cell[1:-1] if re.fullmatch("`[^`]+`", cell) else cell for cell in row] for row in cells]


QUOTED = re.findall(r"^> `(.+)`$", DOCUMENT, re.MULTILINE)
README_QUOTED = re.findall(r"^```text\n(.*)\n```$", (ROOT / "README.md").read_text(), re.MULTILINE)
FAILED = [row[0] for row in table("what failed")]
REASONS = [row[0] for row in table("reason")]
ARGUMENTS = [(row[0], row[1]) for row in table("argument")]


@dataclass(frozen=True)
class Message:
    """A string of the source that a user may read.

    Attributes:
        where: File and line.
        pattern: Matches the message, whatever is filled in.
        constant: Its constant parts.
    """

    where: str
    pattern: str
    constant: str

    @property
    def words(self) -> int:
        return len(re.findall(r"[A-Za-z]{2,}", self.constant))

    def is_in(self, quotations: list[str]) -> bool:
        """Whether one of the quotations is this message."""
        return any(re.fullmatch(self.pattern, quotation) for quotation in quotations)


def read(node: ast.expr, function: ast.AST) -> list[tuple[str, str]]:
    """Pattern and constant parts of an expression that makes a string; of each that it may make.

    Names that the function gives a string are that string; all else may be anything.
    """
    match node:
        case ast.Constant(value=str(text)):
            return [(re.escape(text), text)]
        case ast.JoinedStr(values=parts):
            return _joined([read(part, function) for part in parts])
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined([read(left, function), read(right, function)])
        case ast.IfExp(body=body, orelse=ast.Constant(value="")):
            return [(f"(?:{pattern})?", text) for pattern, text in read(body, function)]
        case ast.IfExp(body=body, orelse=orelse):
            return [*read(body, function), *read(orelse, function)]
        case ast.FormattedValue(value=ast.Name() | ast.IfExp() as value, conversion=-1):
            return read(value, function)
        case ast.Name(id=name):
            values = [child.value for child in ast.walk(function) if _gives(child, name)]
            return [one for value in values for one in read(value, function)] or [(ANYTHING, "")]
    return [(ANYTHING, "")]


def _gives(node: ast.AST, name: str) -> TypeGuard[ast.Assign]:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name


def _joined(parts: list[list[tuple[str, str]]]) -> list[tuple[str, str]]:
    choices = itertools.product(*parts)
    return [("".join(one for one, _ in choice), " ".join(text for _, text in choice)) for choice in choices]


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    """The functions of a file that lie in no other function; methods among them."""

    def visit(node: ast.AST) -> Iterator[ast.FunctionDef]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef):
                yield child
            else:
                yield from visit(child)

    return visit(ast.parse(path.read_text()))


def messages(path: Path, node: ast.expr, function: ast.AST) -> Iterator[Message]:
    """What an expression of a function may say."""
    for pattern, constant in read(node, function):
        yield Message(f"{path.relative_to(ROOT)}:{node.lineno}", pattern, constant)


def warned(path: Path) -> Iterator[Message]:
    """The messages of the warnings of a file."""
    for function in functions(path):
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("warnings.warn"):
                yield from messages(path, node.args[0], function)


def raised(path: Path) -> Iterator[Message]:
    """The messages of the errors of a file."""
    for function in functions(path):
        for node in ast.walk(function):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                yield from messages(path, node.exc.args[0], function)


def failed(path: Path) -> Iterator[Message]:
    """What a file gives to `Tolerance` as that which failed."""
    methods = {
        name
        for name, method in vars(Tolerance).items()
        if inspect.isfunction(method) and "what" in inspect.signature(method).parameters
    }
    for function in functions(path):
        for node in ast.walk(function):
            match node:
                case ast.Call(func=ast.Attribute(value=owner, attr=method), args=[what, *_]) if (
                    method in methods and ast.unparse(owner).endswith("tolerance")
                ):
                    yield from messages(path, what, function)


def reasons(path: Path) -> Iterator[Message]:
    """Why a file leaves parameters out: what functions called so return, and what is put under that name."""
    for function in functions(path):
        for node in ast.walk(function):
            match node:
                case ast.Return(value=ast.expr() as value) if "reason" in function.name:
                    yield from messages(path, value, function)
                case ast.Assign(targets=[ast.Name(id="reason")], value=value):
                    yield from messages(path, value, function)


def returned(path: Path, function: ast.FunctionDef) -> Iterator[Message]:
    """The sentences that a function returns."""
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            yield from messages(path, node.value, function)


def signs(path: Path, function: ast.FunctionDef) -> Iterator[Message]:
    """The sentences of the signs that a rule sees."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Sign":
            yield from messages(path, node.args[1], function)


def own(messages: Iterator[Message], least: int = LEAST_WORDS) -> list[Message]:
    """Those that have words of their own."""
    return [one for one in messages if one.words >= least]


FINDINGS = ROOT / "lightning_weightviz" / "findings"
RULE_FILES = sorted(FINDINGS.glob("*.py"))
FINDING = FINDINGS / "support" / "finding.py"
WARNED = own(one for path in FILES for one in warned(path))
RAISED = own(one for path in FILES for one in raised(path))
WHAT_FAILED = own((one for path in FILES for one in failed(path)), least=1)
WHY = own(one for path in FILES for one in reasons(path))
SENTENCES = own(one for path in RULE_FILES for function in functions(path) for one in signs(path, function))
SUFFIXED = [
    one for function in functions(FINDING) if function.name == "sentence" for one in returned(FINDING, function)
]


def ids(one: Message) -> str:
    return one.where


def test_the_sources_are_read() -> None:
    """Each kind is found, so that an empty list does not pass for a complete document."""
    assert len(WARNED) >= 8 and len(RAISED) >= 15 and len(WHAT_FAILED) >= 8 and len(WHY) >= 5 and len(SENTENCES) >= 5
    for one in (*WARNED, *RAISED, *WHAT_FAILED, *WHY, *SENTENCES):
        assert not one.is_in([""]), one


def test_what_is_warned_of_without_words_is_an_alert() -> None:
    wordless = [one for path in FILES for one in warned(path) if one.words < LEAST_WORDS]
    assert len(wordless) <= 1, "a message is made where this test does not find its words"


@pytest.mark.parametrize("one", WARNED, ids=ids)
def test_every_warning_is_quoted(one: Message) -> None:
    assert one.is_in(QUOTED), f"{one.where} is in no quotation: {one.constant!r}"


@pytest.mark.parametrize("one", RAISED, ids=ids)
def test_every_error_is_quoted(one: Message) -> None:
    assert one.is_in([*QUOTED, *(quotation for _, quotation in ARGUMENTS)]), f"{one.where}: {one.constant!r}"


@pytest.mark.parametrize("one", WHAT_FAILED, ids=ids)
def test_everything_that_may_fail_is_named(one: Message) -> None:
    assert one.is_in(FAILED), f"{one.where} is in no row: {one.constant!r}"


@pytest.mark.parametrize("one", WHY, ids=ids)
def test_every_reason_is_named(one: Message) -> None:
    assert one.is_in(REASONS), f"{one.where} is in no row: {one.constant!r}"


def said_by(rule: str) -> list[Message]:
    """The sentences of a rule of the package."""
    name = RULES[rule].look.__name__
    [found] = [(path, one) for path in RULE_FILES for one in functions(path) if one.name == name]
    return own(signs(*found))


def _is_one_of(quotation: str, messages: list[Message]) -> bool:
    return any(re.fullmatch(one.pattern, quotation) for one in messages)


@pytest.mark.parametrize("quotation", [*QUOTED, *README_QUOTED])
def test_no_other_message_is_quoted(quotation: str) -> None:
    # Those of the settings have hardly a word of their own: they are held by raising them.
    raised = [one for one in RAISED if "settings.py" not in one.where]
    assert _is_one_of(quotation, [*WARNED, *raised, *SUFFIXED])
    alert = re.fullmatch(r"(?:now resolved: )?(?P<said>.+) \(alert '(?P<rule>\w+)'.+\)", quotation)
    assert alert is None or _is_one_of(alert["said"], said_by(alert["rule"]))


@pytest.mark.parametrize("quotation", FAILED)
def test_nothing_else_is_said_to_fail(quotation: str) -> None:
    assert _is_one_of(quotation, WHAT_FAILED)


@pytest.mark.parametrize("quotation", REASONS)
def test_no_other_reason_is_named(quotation: str) -> None:
    assert _is_one_of(quotation, WHY)


def test_table_of_rules_is_what_rules_say() -> None:
    rows = {row[0]: row[1] for row in table("rule")}
    assert rows.keys() == set(RULES) and list(rows) == sorted(rows, key=list(RULES).index)
    for name, quotation in rows.items():
        assert _is_one_of(quotation, said_by(name)), f"{name} does not say {quotation!r}"


@pytest.mark.parametrize(("argument", "quotation"), ARGUMENTS, ids=[argument for argument, _ in ARGUMENTS])
def test_wrong_arguments_raise_what_is_quoted(argument: str, quotation: str) -> None:
    with pytest.raises((TypeError, ValueError)) as raised:
        WeightVisualizationCallback(**eval(f"dict({argument})"))
    # What is left out of a quotation is not quoted.
    pattern = ANYTHING.join(re.escape(part) for part in quotation.split("…"))
    assert re.fullmatch(pattern, str(raised.value)), str(raised.value)


def test_every_argument_is_given_wrongly_once() -> None:
    given = {name for argument, _ in ARGUMENTS for name in eval(f"dict({argument})")}
    assert given == set(inspect.signature(WeightVisualizationCallback).parameters)
