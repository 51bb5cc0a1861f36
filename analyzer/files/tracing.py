"""How a module is called to be traced: a trace takes tensors, and what holds nothing but tensors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import FunctionType
from typing import cast

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.files.live_models import as_written
from nnapi_check.analyzer.inputs.arguments import Call, cloned, example_of, leaves, mapped
from nnapi_check.analyzer.tensor_types import flat_tensors
from nnapi_check.analyzer.torchscript import in_evaluation_mode


@dataclass(frozen=True, slots=True)
class Prepared:
    """A module to trace with ``arguments``. ``reference`` is how the model itself is called to the same end.

    With ``is_of_tensors`` the module gives the tensors alone of what the model gives.
    """

    module: torch.nn.Module
    arguments: tuple[object, ...]
    reference: Call
    is_of_tensors: bool = False

    def gives_objects(self, model: torch.nn.Module) -> bool:
        """Whether the module runs, and gives tensors in something else: what no trace can give may be among that."""
        if self.is_of_tensors:
            return False
        try:
            with in_evaluation_mode(model), as_written(model), torch.no_grad():
                found = self.module(*cloned(Call(self.arguments)).positional)
        except Exception:  # noqa: BLE001 - a model's own code may fail in any way, and did so before
            return False
        return not isinstance(found, torch.Tensor) and bool(flat_tensors(found))

    def of_tensors(self) -> Prepared:
        """The same call, of which a trace gets the tensors alone."""
        return replace(self, module=_OfTensors(self.module), is_of_tensors=True)


class _OfTensors(torch.nn.Module):
    """A module that gives every tensor that another gives, in order, and nothing else."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

        def forward(self: _OfTensors, *given: object) -> object:
            return flat_tensors(self.module(*given))

        self.forward = _taking(positional_names(module), forward).__get__(self)


def _taking(names: Sequence[str], forward: Callable[..., object]) -> FunctionType:
    """The method with names for its arguments, by which a trace names its inputs."""
    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("self", *names)]
    forward.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions may have one
    return cast(FunctionType, forward)


class _WithFixedValues(torch.nn.Module):
    """A module that is called with those arguments alone that hold tensors; every other one is what it was."""

    def __init__(self, module: torch.nn.Module, call: Call, names: Sequence[str]) -> None:
        super().__init__()
        self.module = module
        self._call = call

        def forward(self: _WithFixedValues, *given: object) -> object:
            rest = iter(given)
            positional = [_put(item, rest) for item in self._call.positional]
            named = {name: _put(item, rest) for name, item in self._call.named.items()}
            return self.module(*positional, **named)

        self.forward = _taking(names, forward).__get__(self)


def _put(item: object, rest: Iterator[object]) -> object:
    """An argument with the tensors that are passed for it."""
    if not _has_tensors(item):
        return item
    given = next(rest)
    if _is_of_tensors(item):
        return given
    tensors = iter(leaves(given))
    return mapped(item, lambda leaf: next(tensors) if isinstance(leaf, torch.Tensor) else leaf)


def _has_tensors(item: object) -> bool:
    return any(isinstance(leaf, torch.Tensor) for leaf in leaves(item))


def _is_of_tensors(item: object) -> bool:
    return all(isinstance(leaf, torch.Tensor) for leaf in leaves(item))


def prepare(model: torch.nn.Module, call: Call, name: str, keywords: Collection[str] = ()) -> Prepared:
    """Make ready what `torch.jit.trace` is to be called with; ``keywords`` are passed by name only."""
    bound = _bound(model, _with_lists(example_of(call)), name, keywords)
    arguments = (*bound.positional, *bound.named.values())
    if not any(_has_tensors(item) for item in arguments):
        raise InputError(without_tensors(name, arguments))
    if not bound.named and all(map(_is_of_tensors, arguments)):
        return Prepared(model, bound.positional, bound)
    names = [*positional_names(model)[: len(bound.positional)], *bound.named]
    names += [f"input{place}" for place in range(len(names), len(arguments))]
    kept = [(label, item) for label, item in zip(names, arguments, strict=True) if _has_tensors(item)]
    module = _WithFixedValues(model, cloned(bound), [label for label, _ in kept])
    return Prepared(module, tuple(_tensors_of(item) for _, item in kept), bound)


def without_tensors(name: str, arguments: Sequence[object]) -> str:
    """What is said where a module is to be traced with these arguments, none of which holds a tensor."""
    found = next((type(leaf).__name__ for item in arguments for leaf in leaves(item)), None)
    given = f": tensors, not of {found} alone, which torch.as_tensor makes one of if it holds numbers" if found else ""
    return f"{name} is not TorchScript yet; pass example inputs to trace it with{given}."


def _tensors_of(item: object) -> object:
    if _is_of_tensors(item):
        return item
    return tuple(leaf for leaf in leaves(item) if isinstance(leaf, torch.Tensor))


def positional_names(model: torch.nn.Module, keywords: Collection[str] = ()) -> list[str]:
    """The arguments of ``forward`` that are passed by position."""
    return [
        name
        for name, parameter in inspect.signature(model.forward).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD) and name not in keywords
    ]


def _bound(model: torch.nn.Module, call: Call, name: str, keywords: Collection[str]) -> Call:
    """The call with its arguments by position, as far as the signature of ``forward`` allows."""
    parameters = inspect.signature(model.forward).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for given in call.named:
        if given not in parameters and not takes_any:
            raise InputError(f"The model has no input '{given}'; its inputs are {', '.join(parameters) or 'none'}.")
    # Specifications with names leave the others to those without, in order.
    places = positional_names(model, keywords)
    free = [label for label in places if label not in call.named]
    named = {**dict(zip(free, call.positional, strict=False)), **call.named} if call.named else {}
    if len(call.positional) > len(free) and call.named:
        raise InputError(f"{name} takes {len(parameters)} inputs, more are given.")
    if not call.named:
        return call
    positional: list[object] = []
    for label in places:
        if label not in named:
            break
        positional.append(named.pop(label))
    return Call(tuple(positional), named)


def _with_lists(call: Call) -> Call:
    """The call with lists for tables whose keys are places, as specifications by name make them."""

    def changed(item: object) -> object:
        match item:
            case dict():
                parts = {key: changed(part) for key, part in item.items()}
                if parts and set(parts) == {str(place) for place in range(len(parts))}:
                    return [parts[str(place)] for place in range(len(parts))]
                return parts
            case _:
                return item

    positional = tuple(changed(item) for item in call.positional)
    named: Mapping[str, object] = {label: changed(item) for label, item in call.named.items()}
    return Call(positional, named)
