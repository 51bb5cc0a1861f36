"""The command line's options that give the inputs of a model, as one types them, with values to be replaced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from nnapi_check.analyzer.inputs.specification import EXAMPLE

_PLAIN = {
    "int": "int:1",
    "float": "float:1.0",
    "bool": "bool:true",
    "str": "str:text",
    "number": "float:1.0",
    "Scalar": "float:1.0",
}


def needed_options(arguments: Sequence[tuple[str, torch._C.JitType]]) -> str:
    """The options for arguments, by their names and types."""
    return " ".join(option_of(name, kind) for name, kind in arguments) if arguments else "no --input"


def option_of(name: str, kind: torch._C.JitType) -> str:
    """The options for one argument."""
    return " ".join(f"--input '{option}'" for option in _options(name, kind))


def _options(name: str, kind: torch._C.JitType) -> Iterator[str]:
    match kind:
        case torch._C.OptionalType():
            yield from _options(name, kind.getElementType())
        case torch._C.ListType():
            yield from _options(f"{name}.0", kind.getElementType())
        case torch._C.TupleType():
            places = field_names(kind) or tuple(map(str, range(len(kind.elements()))))
            for place, part in zip(places, kind.elements(), strict=True):
                yield from _options(f"{name}.{place}", part)
        case torch._C.DictType():
            yield from _options(f"{name}.KEY", kind.getValueType())
        case _:
            yield f"{name}={_PLAIN.get(str(kind), EXAMPLE)}"


def field_names(kind: torch._C.TupleType) -> tuple[str, ...]:
    """The names of a named tuple's fields; empty for a tuple without names."""
    if "." not in kind.annotation_str or kind.annotation_str.startswith("Tuple["):
        return ()
    graph = torch._C.Graph()
    graph.addInput().setType(kind)
    text = str(graph).partition("NamedTuple(")[2]
    names: list[str] = []
    depth, start = 0, 0
    for place, letter in enumerate(text):
        if letter in "([":
            depth += 1
        elif letter in ")]" or (letter == "," and depth == 0):
            if depth == 0:
                names.append(text[start:place].partition(" : ")[0].strip())
                start = place + 1
                if letter != ",":
                    break
            else:
                depth -= 1
    return tuple(names)
