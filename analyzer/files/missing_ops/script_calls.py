"""How the code of a TorchScript archive calls ops: how much it gives them, and how it takes apart what they give."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nnapi_check.analyzer.files.missing_ops.program_calls import OpName

_CALL = re.compile(r"(?<![\w.])ops\.(\w+)\.(\w+)\(")
_TOKEN = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"|[()\[\]{},]')
_KEYWORD = re.compile(r"\s*([A-Za-z_]\w*)=[^=]")
_NAMES = re.compile(r"\s*(?P<names>\w+(?:, \w+)*)(?P<unpacks>,)? = ")
_NEXT_FUNCTION = re.compile(r"\n *def ")


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """One call in code: the number of arguments by place, the names of the others, and the types of the results."""

    places: int
    keywords: tuple[str, ...]
    results: tuple[str, ...]


def called_in_code(files: Iterable[str]) -> frozenset[OpName]:
    """The ops that code calls by name, but for those that it names as functions of ``torch``."""
    return frozenset(OpName(space, name, "default") for text in files for space, name in _CALL.findall(text))


def schemas_in_code(files: Sequence[str], ops: Iterable[OpName]) -> Mapping[OpName, str] | None:
    """A schema for each op that takes whatever the calls give it; None where they take its results otherwise.

    All results are taken for tensors and lists of tensors, which code does not tell.
    """
    found: dict[OpName, str] = {}
    for op in ops:
        wanted = (op.space, op.name)
        calls = [_read(text, call) for text in files for call in _CALL.finditer(text) if call.groups() == wanted]
        if len({len(call.results) for call in calls}) != 1:
            return None
        # What one call does not take apart, another one may.
        results = [max(kinds, key=len) for kinds in zip(*(call.results for call in calls), strict=True)]
        named = dict.fromkeys(name for call in calls for name in call.keywords)
        places = [f"Any? input{at}=None" for at in range(max(call.places for call in calls))]
        arguments = ", ".join([*places, *(["*"] if named else []), *(f"Any? {name}=None" for name in named)])
        given = results[0] if len(results) == 1 else f"({', '.join(results)})"
        found[op] = f"{op.name}({arguments}) -> {given}"
    return found


def _read(text: str, call: re.Match[str]) -> ScriptCall:
    end, pieces = _arguments(text, call.end())
    keywords = [found[1] for piece in pieces if (found := _KEYWORD.match(piece)) is not None]
    before = text[text.rfind("\n", 0, call.start()) + 1 : call.start()]
    results = _results(before, _NEXT_FUNCTION.split(text[end:], maxsplit=1)[0])
    return ScriptCall(len(pieces) - len(keywords), tuple(keywords), results)


def _arguments(text: str, start: int) -> tuple[int, list[str]]:
    """Where the brackets that are open at ``start`` close, and what stands between the commas in them."""
    depth, last = 1, start
    pieces: list[str] = []
    for token in _TOKEN.finditer(text, start):
        if token[0] in "([{":
            depth += 1
        elif token[0] in ")]}":
            depth -= 1
        if not depth or (depth == 1 and token[0] == ","):
            pieces.append(text[last : token.start()])
            last = token.end()
        if not depth:
            break
    return last, [piece for piece in pieces if piece.strip()]


def _results(before: str, after: str) -> tuple[str, ...]:
    """What a call gives, by what stands before it in its line, and what follows in its function."""
    if not before.strip():
        return ()
    named = _NAMES.fullmatch(before)
    if named is None:
        return (_kind(is_list=after.lstrip(")").startswith("[")),)
    if named["unpacks"]:
        return (_kind(is_list=True),)
    return tuple(_kind(is_list=_is_taken_apart(name, after)) for name in named["names"].split(", "))


def _kind(*, is_list: bool) -> str:
    return "Tensor[]" if is_list else "Tensor"


def _is_taken_apart(name: str, after: str) -> bool:
    """Whether what follows takes items of a list of this name, which PyTorch writes otherwise than parts of tensors."""
    return re.search(rf"(?<![\w.]){name}\)?\[|, = {name}\n", after) is not None
