"""Input specifications: ``f32[1,3,224,224]``, with an optional name: ``pixels=f32[1,3,224,224]``.

Parts of lists, tuples and tables have the whole's name before theirs: ``xs.0=f32[3]``, ``image.mask=bool[3]``. What
is no tensor states its kind: ``n=int:3``, ``flag=bool:true``, ``scale=float:0.5``, ``mode=str:nearest``, ``mask=none``.
A quantized input states its scale and zero point after the element type: ``quint8(0.02,128)[1,3,8,9]``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import NOT_QUANTIZED, ElementType, PerTensor, Quantization, TensorType

_SPEC = re.compile(
    r"(?:(?P<name>[A-Za-z_][\w.]*)\s*=)?\s*(?P<dtype>[a-z]+\d*)\s*"
    r"(?:\((?P<scale>[^,()]+),(?P<zero_point>[^,()]+)\))?\s*\[(?P<shape>[^\[\]]*)\]"
)
_PLAIN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_][\w.]*)\s*=)?\s*(?P<kind>none|(?:int|float|bool|str):)(?P<value>.*)", re.DOTALL
)
# A list, tuple or dictionary with something in it that is no number.
_WHOLE = re.compile(r"\s*(?:[A-Za-z_][\w.]*\s*=)?\s*[\[({][^a-z]*[a-z]")
_QUANTIZED = frozenset({ElementType.QUINT8, ElementType.QINT8, ElementType.QINT32})
EXAMPLE = "f32[1,3,224,224]"
"""A specification to be replaced."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The type of one input. ``name`` is None where inputs are given by position."""

    type: TensorType
    name: str | None = None

    def __str__(self) -> str:
        prefix = f"{self.name}=" if self.name is not None else ""
        return prefix + format_type(self.type)


@dataclass(frozen=True, slots=True)
class PlainSpec:
    """The value of an input that is no tensor. ``name`` is None where inputs are given by position."""

    value: bool | int | float | str | None
    name: str | None = None


def parse_input(text: str) -> InputSpec | PlainSpec | None:
    """Read a specification of a tensor or of a plain value; None where the text is neither."""
    match = _PLAIN.fullmatch(text)
    if match is not None and (match["kind"] != "none" or not match["value"].strip()):
        return PlainSpec(_parse_plain(match["kind"], match["value"] or "", text), match["name"])
    return parse_input_spec(text) if _SPEC.fullmatch(text.strip()) is not None else None


def demand_input(text: str) -> InputSpec | PlainSpec:
    """Read a specification of a tensor or of a plain value; an `InputError` says what is wrong with it."""
    found = parse_input(text)
    return parse_input_spec(text) if found is None else found


def format_plain(value: object) -> str:
    """A value that is no tensor, as it is written on the command line."""
    match value:
        case None:
            return "none"
        case bool():
            return f"bool:{str(value).lower()}"
        case _:
            return f"{type(value).__name__}:{value}"


def _parse_plain(kind: str, text: str, spec: str) -> bool | int | float | str | None:
    try:
        match kind:
            case "none":
                return None
            case "int:":
                return int(text)
            case "float:":
                return float(text)
            case "bool:" if text.lower() in ("true", "false"):
                return text.lower() == "true"
            case "str:":
                return text
            case _:
                raise ValueError(text)
    except ValueError as error:
        raise InputError(
            f"'{spec}': {text!r} is no {kind.rstrip(':')}; write such as int:3, float:0.5, bool:true or str:text."
        ) from error


def format_type(type_: TensorType) -> str:
    """The text of a type as it is written on the command line."""
    quant = f"({type_.quant.scale:g},{type_.quant.zero_point})" if isinstance(type_.quant, PerTensor) else ""
    return f"{type_.dtype.value}{quant}[{','.join(map(str, type_.shape))}]"


def parse_input_spec(text: str) -> InputSpec:
    """Read one specification; an `InputError` says what is wrong with it."""
    match = _SPEC.fullmatch(text.strip())
    if match is None:
        raise InputError(f"'{text}' is not an input specification; {_advice(text)}.")
    dtype = _parse_dtype(match["dtype"], text)
    quant = _parse_quantization(match["scale"], match["zero_point"], dtype, text)
    return InputSpec(TensorType(dtype, _parse_shape(match["shape"], text), quant), match["name"])


def _advice(text: str) -> str:
    if _WHOLE.match(text):
        return "give each tensor of a list, tuple or dictionary its own, such as 'xs.0=f32[3]' and 'xs.1=f32[3]'"
    return f"write element type and shape, such as {EXAMPLE}"


def order_by_name(specs: Sequence[InputSpec], names: Sequence[str]) -> tuple[InputSpec, ...]:
    """The specifications in the order of the model's inputs: named ones at their places, the others fill the rest."""
    known = set(names)
    by_name: dict[str, InputSpec] = {}
    for spec in specs:
        if spec.name is None:
            continue
        if spec.name not in known:
            raise InputError(f"The model has no input '{spec.name}'; its inputs are {', '.join(names) or 'none'}.")
        if spec.name in by_name:
            raise InputError(f"Input '{spec.name}' is given twice.")
        by_name[spec.name] = spec
    unnamed = [spec for spec in specs if spec.name is None]
    if len(specs) != len(names):
        raise InputError(
            f"The number of inputs is {len(names)} ({', '.join(names) or 'none'}), but {len(specs)} are given; "
            f"pass {needed_options(names)}."
        )
    return tuple(by_name[name] if name in by_name else unnamed.pop(0) for name in names)


def needed_options(names: Sequence[str]) -> str:
    """The options that give every input of a model, as one types them, with a shape to be replaced."""
    return " ".join(f"--input '{name}={EXAMPLE}'" for name in names) if names else "no --input"


def _parse_dtype(text: str, spec: str) -> ElementType:
    known = [kind.value for kind in ElementType if kind is not ElementType.OTHER]
    if text not in known:
        raise InputError(f"'{spec}': '{text}' is not an element type; write one of {', '.join(known)}.")
    return ElementType(text)


def _parse_shape(text: str, spec: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise InputError(
            f"'{spec}': every dimension must be a whole number, found [{text}]; write a shape such as {EXAMPLE}."
        )
    shape = tuple(int(part) for part in parts)
    if any(size >= 2**31 for size in shape):
        raise InputError(f"'{spec}': a dimension is 2^31 or more; write a shape such as {EXAMPLE}.")
    return shape


def _parse_quantization(scale: str | None, zero_point: str | None, dtype: ElementType, spec: str) -> Quantization:
    if (dtype in _QUANTIZED) != (scale is not None):
        wanted = "needs" if dtype in _QUANTIZED else "has no"
        raise InputError(
            f"'{spec}': {dtype.value} {wanted} scale and zero point; an example is quint8(0.02,128)[1,3,8,9]."
        )
    if scale is None or zero_point is None:
        return NOT_QUANTIZED
    try:
        params = PerTensor(float(scale), int(zero_point))
    except ValueError as error:
        raise InputError(
            f"'{spec}': scale must be a number and zero point a whole number, as in quint8(0.02,128)[1,3,8,9]."
        ) from error
    if not 0.0 < params.scale < float("inf"):
        raise InputError(f"'{spec}': the scale must be positive, found {scale}.")
    return params
