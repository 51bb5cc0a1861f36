"""Sizes of exported programs: expressions in symbols, which PyTorch's reader hands to Python to be evaluated.

What is accepted is a small language: whole and decimal numbers, symbols such as ``s0`` or
``Symbol('s0', integer=True)``, operators, comparisons, and the functions by which PyTorch writes sizes. Nothing in it
takes long to evaluate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from nnapi_check.analyzer.files.screening.known_ops import words
from nnapi_check.analyzer.files.screening.suspect import SuspectError

_FUNCTIONS = words("""
    FloorDiv ModularIndexing Where PythonMod Mod CleanDiv CeilToInt FloorToInt CeilDiv LShift RShift PowByNatural
    FloatPow FloatTrueDiv IntTrueDiv IsNonOverlappingAndDenseIndicator TruncToFloat TruncToInt RoundToInt RoundDecimal
    ToFloat Identity Max Min Abs floor ceiling sqrt Eq Ne Lt Le Gt Ge And Or Not Integer Rational Add Mul Pow Equality
    Unequality StrictGreaterThan StrictLessThan GreaterThan LessThan
    """)
_STEEP = frozenset({"LShift", "PowByNatural", "FloatPow", "Pow", "**"})
"""What makes long numbers of short ones."""
_POWERS = ("Pow", "PowByNatural")
_SMALL = frozenset("12345678")
"""Exponents of powers that are read as products."""
_SYMBOL = re.compile(r"(?:s|u|z|zs|zu|zf|zuf|f|i|p|r|z\d*)\d+")
_CONSTANTS = frozenset({"True", "False", "true", "false", "oo", "int_oo"})
_TOKEN = re.compile(
    r"\s*(?:(?P<quoted>'[a-z]+\d+')|(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<sign>\*\*|//|[<>=!]=|[-+*/%<>(),&|~=]))"
)
_BINARY = words("+ - * / // % ** < > <= >= == != & |")
_UNARY = frozenset("+-~")
_MAX_LENGTH = 4000
_MAX_DEPTH = 50
_MAX_NUMBER = 1 << 63
_MAX_STEEP_NUMBER = 64


def check_expression(text: str) -> None:
    """Raise `SuspectError` unless ``text`` is an expression of this language."""
    if len(text) <= _MAX_LENGTH and text.isascii():
        reader = _Reader(_tokens(text))
        if reader.tokens and reader.is_expression(0) and reader.at == len(reader.tokens) and reader.is_flat():
            return
    raise SuspectError(f"a size that is no plain expression ({text[:80]!r})", "numbers, symbols and arithmetic")


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    text = text.rstrip()
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return []
        found.append(match[0].strip())
        at = match.end()
    return found


@dataclass(slots=True)
class _Reader:
    """Small powers count as the products that they stand for: ``powers`` of them, longer by ``unfolded`` tokens."""

    tokens: list[str]
    at: int = 0
    numbers: list[float] = field(default_factory=list)
    powers: int = 0
    unfolded: int = 0

    def is_flat(self) -> bool:
        """Whether evaluation makes no long numbers."""
        steep = sum(token in _STEEP for token in self.tokens)
        if steep == self.powers:
            is_short = len(self.tokens) + self.unfolded <= _MAX_LENGTH
            return is_short and all(number <= _MAX_NUMBER for number in self.numbers)
        return steep == 1 and len(self.numbers) <= 3 and all(number <= _MAX_STEEP_NUMBER for number in self.numbers)

    def is_expression(self, depth: int) -> bool:
        """Whether an expression begins here; read past it."""
        start, unfolded = self.at, self.unfolded
        if depth > _MAX_DEPTH or not self._is_operand(depth):
            return False
        while self._next() in _BINARY:
            if self._next() == "**" and self.tokens[self.at + 2 : self.at + 3] != ["**"]:
                self._raise(self.tokens[self.at + 1 : self.at + 2], start, unfolded)
            self.at += 1
            start, unfolded = self.at, self.unfolded
            if not self._is_operand(depth):
                return False
        return True

    def _raise(self, exponent: list[str], start: int, unfolded: int) -> None:
        """Count what was read since ``start`` once for each time that a small power has it as a factor."""
        if len(exponent) == 1 and exponent[0] in _SMALL:
            self.powers += 1
            self.unfolded += (int(exponent[0]) - 1) * (self.at - start + self.unfolded - unfolded)

    def _next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _is_operand(self, depth: int) -> bool:
        while self._next() in _UNARY:
            self.at += 1
        part = self._next()
        self.at += 1
        if part == "(":
            return self.is_expression(depth + 1) and self._is_closed()
        if part[:1].isdigit():
            self.numbers.append(float(part))
            return len(part) < 40
        if self._next() == "(":
            self.at += 1
            if part == "Symbol":
                return self._is_symbol()
            return part in _FUNCTIONS and self._are_arguments(depth, is_power=part in _POWERS)
        return part in _CONSTANTS or _SYMBOL.fullmatch(part) is not None

    def _are_arguments(self, depth: int, *, is_power: bool) -> bool:
        start, unfolded = self.at, self.unfolded
        while self.is_expression(depth + 1):
            if is_power:
                # Of "2)" and "Integer(2))", what is no name or bracket is the exponent.
                given = [word for word in self.tokens[self.at + 1 : self.at + 6] if word not in ("Integer", "(")]
                self._raise(given[:1] if given[1:2] == [")"] else [], start, unfolded)
                is_power = False
            if self._next() != ",":
                return self._is_closed()
            self.at += 1
        return False

    def _is_symbol(self) -> bool:
        """Whether a symbol's name in quotes and what is assumed of it come next, read past the bracket."""
        name = self._next()
        self.at += 1
        while self._next() == ",":
            words = self.tokens[self.at + 1 : self.at + 4]
            if len(words) < 3 or not words[0].isalpha() or words[1] != "=" or words[2] not in ("True", "False"):
                return False
            self.at += 4
        return _SYMBOL.fullmatch(name.strip("'")) is not None and name[:1] == "'" and self._is_closed()

    def _is_closed(self) -> bool:
        is_closed = self._next() == ")"
        self.at += 1
        return is_closed
