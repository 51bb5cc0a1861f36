"""What the code of a TorchScript archive does while PyTorch loads it.

Loading computes the defaults of arguments and the constants of classes, and calls ``__setstate__`` of every object that
has one. Quantized layers pack their weights so; nothing else needs to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from nnapi_check.analyzer.files.screening.known_ops import is_known, words
from nnapi_check.analyzer.files.screening.loading_growth import screen_growth
from nnapi_check.analyzer.files.screening.script_code import Definition, read_code
from nnapi_check.analyzer.files.screening.suspect import SuspectError

_OP = re.compile(r"(?<![\w.])(?:torch|ops\.(\w+))\.(\w+)")
_LOOSE = re.compile(
    r"(?<![\w.])(?:torch\b(?!\.\w)|ops\b(?!\.\w+\.\w))|(?<![\w.])(?:fork|__torch__(?!\.\w))\b|\.(?:from_file|save)\("
)
_WORD = re.compile(r"[A-Za-z_]\w*")
_NUMBER = re.compile(r"\b\d[\w.]*(?:[eE][+-]\d+)?")
_PLAIN_WORDS = words(
    "True False None inf nan annotate List Dict Tuple Optional int float bool str Tensor Device number complex"
)
_CONSTANT = re.compile(r"\bCONSTANTS\.c\d+\b")
_OPERATORS = re.compile(r"[*/%<>&|^~@!]|\+")
# A device, a member of an enumeration, and a complex number, which stand in defaults as calls, names and sums.
_DIGITS = r"\d[\d.]*+(?:e[+-]?\d++)?"
_WRITTEN_OUT = re.compile(
    rf'(?<![\w.])(?:torch\.device\(""\)|__torch__(?:\.[A-Za-z_]\w*+)++|{_DIGITS}[+-]{_DIGITS}j)(?!\s*+\()'
)
_CALL_OF_A_VALUE = re.compile(r"[)\]]\s*+\(")
_HIDDEN = re.compile(r'__annotations__\[""\] = (?P<type>.*)', re.DOTALL)
# Words are taken whole, so that the time grows as the text does, however long a word of a damaged file is.
_CALL = re.compile(r"(?P<callee>(?<![\w.])[\w.]++[)\]]?|[)\]])\s*+\(")
_KEYWORDS = words("if elif while return and or not in is else")
_LOOPS = ("for ", "while ", "with ")
_SET_STATE = "__setstate__"
_MAX_CALL_DEPTH = 4
_QUIET = frozenset({"annotate", "unchecked_cast", "uninitialized"})
_OF_TORCH = words("eq ne lt le gt ge len dim size __contains__ __is__ __isnot__ __not__ __getitem__ dtype")
_PACKING = re.compile(
    r"ops\.quantized\.(?:\w+_prepack(?:_fp16)?|make_quantized_cell_params(?:_dynamic|_fp16)?|\w+_unpack)"
)
_RAISING = "ops.prim.RaiseException"
_OF_PYTORCH_CLASSES = frozenset({"unpack"})


def check_code(files: Iterable[str]) -> None:
    """Raise `SuspectError` unless loading these files of code computes nothing but constants and packed weights."""
    read = [read_code(text) for text in files]
    for file in read:
        _check_ops(file.text)
        screen_growth(file)
        for declaration in file.declarations:
            _check_declaration(declaration)
    named: dict[str, list[Definition]] = {}
    for file in read:
        for definition in file.definitions:
            _check_defaults(definition)
            named.setdefault(definition.name, []).append(definition)
    _CodeBase(named).check(_SET_STATE)
    for definition in named.get(_SET_STATE, ()):
        if not any("set_weight" in line.text or _PACKING.search(line.text) for line in definition.body):
            raise SuspectError(f"a class with a {_SET_STATE}() of its own, which loading runs", _WANTED)


@dataclass(frozen=True, slots=True)
class _CodeBase:
    """All functions and methods of an archive by name."""

    named: Mapping[str, Sequence[Definition]]

    def check(self, name: str) -> None:
        """Raise `SuspectError` unless every method called ``name`` only moves values and packs weights.

        What it calls is found by name alone, in every class that has a method called so.
        """
        seen: set[str] = set()
        level = {name}
        for _ in range(_MAX_CALL_DEPTH):
            seen |= level
            found = {callee for each in level for callee in self._callees(each)}
            level = found - seen
            if not level:
                return
        raise SuspectError(f"{name}() that calls functions more than {_MAX_CALL_DEPTH} deep", _WANTED)

    def _callees(self, name: str) -> Iterator[str]:
        for definition in self.named.get(name, ()):
            for line in definition.body:
                try:
                    callees = _calls_in(line.text)
                except SuspectError as error:
                    raise SuspectError(f"{definition.name}() that {error.found} while loading", _WANTED) from error
                for callee in callees:
                    _owner, dot, method = callee.rpartition(".")
                    if dot and method in self.named:
                        yield method
                    elif not dot or method not in _OF_PYTORCH_CLASSES:
                        raise SuspectError(
                            f"{definition.name}() that calls {callee.strip('.')}() while loading", _WANTED
                        )


@lru_cache(maxsize=8192)
def _calls_in(text: str) -> tuple[str, ...]:
    """What a statement calls, without ops that pack weights. Raises `SuspectError` where it computes."""
    if text.startswith(_LOOPS) or " for " in text or _OPERATORS.search(_NUMBER.sub("0", text)):
        raise SuspectError("computes", _WANTED)
    callees = (call["callee"] for call in _CALL.finditer(text))
    return tuple(name for name in callees if not (name in _KEYWORDS or name in _QUIET or _is_packing(name)))


def _check_ops(text: str) -> None:
    for space, name in set(_OP.findall(text)):
        if not is_known(space or "aten", name, is_loaded_only=True):
            raise SuspectError(
                f"code that calls {space or 'aten'}::{name}", "ops that only compute, and read or write no files"
            )
    loose = _LOOSE.search(text)
    if loose is not None:
        raise SuspectError(f"code that uses {loose[0].strip('.(')!r} in a way of its own", "calls of known ops")


def _check_declaration(text: str) -> None:
    """A declaration in a class: an attribute with its type, perhaps with its value, or a list of names."""
    hidden = _HIDDEN.fullmatch(text)
    if hidden is not None:
        if "(" in hidden["type"].replace("()", ""):
            raise SuspectError("a class with a type that is computed", "types by name")
        return
    _name, equals, value = text.partition("=")
    if equals:
        _check_constant(value, "a class")


def _check_defaults(definition: Definition) -> None:
    head = definition.head
    if "=" not in head:
        return
    for piece in _arguments(head[head.index("(") :]):
        _name, equals, value = piece.partition("=")
        if equals:
            _check_constant(value, f"{definition.name}()")


def _arguments(text: str) -> Iterator[str]:
    """The pieces between the commas of the outermost brackets."""
    depth, start = 0, 1
    for at, letter in enumerate(text):
        if letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
            if not depth:
                yield text[start:at]
                return
        elif letter == "," and depth == 1:
            yield text[start:at]
            start = at + 1


def _check_constant(value: str, where: str) -> None:
    plain = _NUMBER.sub("0", _WRITTEN_OUT.sub("0", _CONSTANT.sub("0", value)))
    is_plain = set(_WORD.findall(plain)) <= _PLAIN_WORDS and not _CALL_OF_A_VALUE.search(plain)
    if not is_plain or _OPERATORS.search(plain):
        raise SuspectError(
            f"a value in {where} that is computed while loading ({value.strip()[:80]})", "plain constants"
        )


_WANTED = "one that only packs the weights of quantized layers"


def _is_packing(callee: str) -> bool:
    space, _, name = callee.rpartition(".")
    return (space == "torch" and name in _OF_TORCH) or callee == _RAISING or _PACKING.fullmatch(callee) is not None
