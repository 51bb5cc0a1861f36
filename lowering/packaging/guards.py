"""TorchScript that tells whether a call's inputs are those that a model was converted for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.inputs.taken_shapes import Expression, TakenShape, TakenSize
from nnapi_check.lowering.packaging.annotations import default_text


def guard_source(method: str, annotations: Sequence[str], examples: Sequence[object]) -> str:
    """A method that is true for inputs of the examples' structure, shapes, element types and numbers."""
    names = [f"a{index}" for index in range(len(annotations))]
    signature = "".join(f", {name}: {kind}" for name, kind in zip(names, annotations, strict=True))
    lines = [f"def {method}(self{signature}) -> bool:"]
    for name, example in zip(names, examples, strict=True):
        lines += [f"    {line}" for line in _checks(name, example)]
    return "\n".join([*lines, "    return True", ""])


def refusal_source(method: str, annotations: Sequence[str], shapes: Sequence[object], names: Sequence[str]) -> str:
    """A method that raises for tensors of shapes that the model does not take, which it was exported for.

    ``shapes`` are the arguments with a `TakenShape` for every tensor, and ``names`` are those of the tensors, in order.
    """
    given = [f"a{index}" for index in range(len(annotations))]
    signature = "".join(f", {name}: {kind}" for name, kind in zip(given, annotations, strict=True))
    rest, known = iter(names), dict[Expression, tuple[str, str]]()
    lines = [line for name, shape in zip(given, shapes, strict=True) for line in _refusals(name, shape, rest, known)]
    return "\n".join([f"def {method}(self{signature}) -> None:", *(f"    {line}" for line in lines), "    pass", ""])


def _refusals(
    source: str, item: object, names: Iterator[str], known: dict[Expression, tuple[str, str]]
) -> Iterator[str]:
    match item:
        case TakenShape(sizes):
            name = next(names)
            wrong = f"{name} has another number of dimensions than the {len(sizes)} that the model takes."
            yield _raise_if(f"{source}.dim() != {len(sizes)}", wrong)
            for axis, size in enumerate(sizes):
                yield from _size_refusals(f"{source}.size({axis})", f"{name}.{axis}", size, known)
        case tuple() | list():
            for index, part in enumerate(item):
                yield from _refusals(f"{source}[{index}]", part, names, known)
        case dict():
            for key, part in item.items():
                yield from _refusals(f"{source}[{key!r}]", part, names, known)
        case _:
            pass


def _size_refusals(source: str, place: str, size: TakenSize, known: dict[Expression, tuple[str, str]]) -> Iterator[str]:
    if isinstance(size, int):
        yield _raise_if(f"{source} != {size}", f"The model takes {size} alone for {place}.")
        return
    outside = f"{source} < {size.least}" + ("" if size.most is None else f" or {source} > {size.most}")
    yield _raise_if(outside, f"The model takes {size.said} for {place}.")
    other, other_place = known.setdefault(size.expression, (source, place))
    if other != source:
        yield _raise_if(f"{source} != {other}", f"The model takes one size for {place} and {other_place}.")


def _raise_if(condition: str, told: str) -> str:
    return f"if {condition}:\n        raise RuntimeError({told!r})"


def _unless(condition: str) -> str:
    return f"if {condition}:\n        return False"


def _checks(name: str, example: object) -> Iterator[str]:
    match example:
        case None:
            yield _unless(f"{name} is not None")
        case torch.Tensor():
            yield _unless(f"{name} is None")
            yield from _tensor_checks(name, example)
        case bool() | int() | str() | float() | complex():
            yield _unless(f"{name} is None")
            yield from _plain_checks(name, example)
        case torch.device():
            yield _unless(f"{name} is None")
            yield _unless(f"{name} != {default_text(example)}")
        case tuple() | list():
            yield _unless(f"{name} is None")
            if isinstance(example, list):
                yield _unless(f"len({name}) != {len(example)}")
            for index, item in enumerate(example):
                yield f"{name}_{index} = {name}[{index}]"
                yield from _checks(f"{name}_{index}", item)
        case dict():
            yield _unless(f"{name} is None")
            yield _unless(f"len({name}) != {len(example)}")
            for index, (key, item) in enumerate(example.items()):
                yield _unless(f"{key!r} not in {name}")
                yield f"{name}_{index} = {name}[{key!r}]"
                yield from _checks(f"{name}_{index}", item)
        case _:
            raise InputError(f"an input is a {type(example).__name__}, which a converted model cannot recognize")


def _plain_checks(name: str, example: bool | int | float | complex | str) -> Iterator[str]:
    if isinstance(example, (float, complex)) and (isnan(example.real) or isnan(example.imag)):
        yield _unless(f"{name} == {name}")
    else:
        yield _unless(f"{name} != {default_text(example)}")


def _tensor_checks(name: str, example: torch.Tensor) -> Iterator[str]:
    if example.dim() == 0:
        yield _unless(f"{name}.dim() != 0")
    else:
        yield _unless(f"{name}.size() != {list(example.shape)}")
    yield _unless(f"{name}.dtype != {example.dtype}")
    if example.is_quantized:
        yield _unless(f"{name}.q_scale() != {example.q_scale()!r}")
        yield _unless(f"{name}.q_zero_point() != {example.q_zero_point()}")
