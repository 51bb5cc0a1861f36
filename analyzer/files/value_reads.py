"""What a model reads of its inputs' elements while it is traced: a trace holds what was read as a constant.

A number taken by ``item()``, or a branch of Python that an element decides, is right for the example inputs alone. So
is one that is taken of a shape which hangs on elements, as that of ``x[x > 0]`` does.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import getfile
from itertools import islice
from pathlib import Path

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode

from nnapi_check.analyzer.inputs.arguments import Call, cloned, leaves
from nnapi_check.analyzer.inputs.other_elements import other_inputs
from nnapi_check.analyzer.ops.bounded_calls import arguments_by_name
from nnapi_check.analyzer.ops.dispatched_calls import DispatchedCalls
from nnapi_check.analyzer.torchscript import constant, nested, trace

_READING = frozenset({"aten::_local_scalar_dense", "aten::item", "aten::is_nonzero", "aten::equal"})
_OF_SHAPES = frozenset(
    f"aten::{name}"
    for name in (
        "zeros_like",
        "ones_like",
        "empty_like",
        "rand_like",
        "randn_like",
        "new_zeros",
        "new_ones",
        "new_empty",
    )
)
_WHOLE_TENSORS = ("Python list", "NumPy array")
"""What the tracer warns of by these words is no call of an op."""

_OWN = (__file__, getfile(DispatchedCalls))
_TORCH = str(Path(torch.__file__).parent) + os.sep
_GENERATED = "<"
_TOLERANCE = 1e-3
_SMALL = 16
"""Constants of more elements are compared by their shapes."""
_TRIED = 3
"""How many inputs with other elements are traced where shapes hang on them."""


@dataclass(slots=True)
class TracerWarnings:
    """What PyTorch's tracer says of elements: whether any may be read, and the lines that take a tensor as a whole.

    ``told`` are the warnings so far, of which the tracer gives one before each number that Python takes.
    """

    may_read: bool = False
    told: Sequence[warnings.WarningMessage] = ()
    whole: list[str] = field(default_factory=list)


@contextmanager
def tracer_warnings(model: torch.nn.Module) -> Iterator[TracerWarnings]:
    """Keep what PyTorch says while a model is traced, in place of printing it."""
    found = TracerWarnings(names_reading_ops(model))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found.told = told
        yield found
    for warning in told:
        if warning.category.__name__ != "TracerWarning":
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
            continue
        found.may_read = True
        if any(words in str(warning.message) for words in _WHOLE_TENSORS):
            found.whole.append(f"{warning.filename}:{warning.lineno}")


def names_reading_ops(model: torch.nn.Module) -> bool:
    """Whether a program of ops has one that reads: only for those that Python itself calls does PyTorch warn."""
    graphs = [part.graph for part in model.modules() if isinstance(part, torch.fx.GraphModule)]
    targets = (node.target for graph in graphs for node in graph.nodes)
    return any(isinstance(op, torch._ops.OpOverload) and op._schema.name in _READING for op in targets)


def value_reads(model: torch.nn.Module, inputs: Sequence[object]) -> tuple[str, ...]:
    """The lines of source, ``file:line``, by which a trace holds elements that depend on a model's inputs.

    They are found by a trace with the same inputs, for a model may take other ways while it is traced; where PyTorch
    fails to trace what is followed, as it does with some convolutions, by a run. Numbers of shapes are read from no
    tensor of the inputs: where shapes hang on elements, those count by which other elements make another program.
    """
    try:
        found, made = _followed_trace(model, inputs)
    except RuntimeError:
        found = _followed(lambda given: model(*given), inputs, model, is_traced=False)
        # No call of an op tells that a run reads a shape.
        return (*found.places, *found.counts)
    return (*found.places, *(_changing(model, inputs, found, _program(made)) if found.counts else ()))


def _changing(model: torch.nn.Module, inputs: Sequence[object], first: _Following, program: Program) -> tuple[str, ...]:
    """The line of the first number that is another one where inputs with other elements make another program."""
    for others in islice(other_inputs(inputs), _TRIED):
        try:
            found, made = _followed_trace(model, others)
        except Exception:  # noqa: BLE001, S112 - a user's model may refuse such values in any way
            continue
        numbers = zip(first.numbers, found.numbers, strict=False)
        changing = next((line for (line, number), other in numbers if (line, number) != other), None)
        if changing is not None and _program(made) != program:
            return (changing,)
    return ()


Program = list[tuple[object, ...]]
"""What a trace computes, without the shapes that it was made with: each node with its constant and its inputs."""


def _program(made: torch.jit.ScriptModule) -> Program:
    places: dict[int, int] = {}
    found: Program = []
    for node in nested(made.inlined_graph.nodes()):
        held = constant(node.output()) if node.kind() == "prim::Constant" else None
        if isinstance(held, torch.Tensor):
            held = held.tolist() if held.numel() <= _SMALL else held.shape
        found.append((node.kind(), repr(held), *(places.get(value.unique(), -1) for value in node.inputs())))
        for value in node.outputs():
            places[value.unique()] = len(places)
    return found


def _followed_trace(model: torch.nn.Module, inputs: Sequence[object]) -> tuple[_Following, torch.jit.ScriptModule]:
    made: list[torch.jit.ScriptModule] = []
    following = _followed(lambda given: made.append(trace(model, given)), inputs, model, is_traced=True)
    return following, made[0]


def _followed(
    run: Callable[[tuple[object, ...]], object], inputs: Sequence[object], model: torch.nn.Module, *, is_traced: bool
) -> _Following:
    given = cloned(Call(tuple(inputs))).positional
    with torch.no_grad(), tracer_warnings(model) as warned:
        following = _Following(given, warned, is_traced=is_traced)
        with following, _Parts(following.numbers):
            run(given)
    return following


Number = tuple[str, object]
"""A number that Python takes from PyTorch, and the line that takes it."""


class _Following(DispatchedCalls):
    """Follows which storages hold elements that depend on the inputs, in a trace or in a run.

    ``places`` are the lines that read such elements, ``counts`` those of calls by whose elements shapes are decided,
    and ``numbers`` what is read otherwise: of shapes, or of constants.
    """

    def __init__(self, inputs: Iterable[object], warned: TracerWarnings, *, is_traced: bool) -> None:
        super().__init__()
        self._warned = warned
        # The ops of an exported program read without a warning.
        self._heard = -1 if warned.may_read else 0
        self._is_traced = is_traced
        self.places: list[str] = []
        self.counts: list[str] = []
        self.numbers: list[Number] = []
        # A weak reference keeps an address from being given to another storage.
        self._dependent: dict[int, StorageWeakRef] = {}
        self._mark(inputs)

    def called(self, op: torch._ops.OpOverload, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        """Run an op, and note what it reads or makes of the inputs' elements."""
        result: object = op(*args, **kwargs)
        name = op._schema.name
        given = arguments_by_name(op, args, kwargs)
        # TorchScript that a trace calls reads anew in each run, and PyTorch lets the trace rest in the meantime.
        is_held = not self._is_traced or torch._C._get_tracing_state() is not None
        is_taken = self._is_taken()
        if not any(map(self._depends, _tensors(given.values()))):
            if is_held and is_taken and name in _READING:
                self.numbers.append((_place(), result))
            return result
        if name in _READING:
            if is_held:
                _note(self.places)
        elif name not in _OF_SHAPES:
            if _counts(op, given):
                _note(self.counts)
            written = [
                given[argument.name]
                for argument in op._schema.arguments
                if argument.alias_info is not None and argument.alias_info.is_write and argument.name in given
            ]
            self._mark((result, *written))
        return result

    def _is_taken(self) -> bool:
        """Whether Python takes what a call reads, of which the tracer has warned right before.

        A number that is passed on to an op is no constant of the trace.
        """
        before, now = self._heard, len(self._warned.told)
        if before >= 0:
            self._heard = now
        return now > before

    def _depends(self, tensor: torch.Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self._dependent

    def _mark(self, items: Iterable[object]) -> None:
        for tensor in _tensors(items):
            storage = tensor.untyped_storage()
            self._dependent[storage._cdata] = StorageWeakRef(storage)  # type: ignore[no-untyped-call]  # as above


class _Parts(TorchFunctionMode):
    """Adds to ``numbers`` into how many parts Python takes tensors, which are the turns of a loop over one."""

    def __init__(self, numbers: list[Number]) -> None:
        super().__init__()
        self._numbers = numbers

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Iterable[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """What a function gives."""
        result = func(*args, **(kwargs or {}))
        if isinstance(result, (list, tuple)) and not isinstance(result, torch.Size):
            self._numbers.append((_place(), len(result)))
        return result


def _counts(op: torch._ops.OpOverload, given: Mapping[str, object]) -> bool:
    """Whether elements decide the shape of what a call gives; of ops that are not PyTorch's nothing is known."""
    if op._schema.name == "aten::index":
        return any(tensor.dtype in (torch.bool, torch.uint8) for tensor in _tensors([given["indices"]]))
    return torch.Tag.dynamic_output_shape in op.tags or op.namespace != "aten"


def _note(places: list[str]) -> None:
    place = _place()
    if place not in places:
        places.append(place)


def _tensors(items: Iterable[object]) -> Iterator[torch.Tensor]:
    for item in items:
        for leaf in leaves(item):
            if isinstance(leaf, torch.Tensor) and leaf.layout == torch.strided:
                yield leaf


def _place() -> str:
    """The innermost line of source that is neither PyTorch's nor of what follows its ops."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        file = frame.f_code.co_filename
        if file not in _OWN and not file.startswith((_TORCH, _GENERATED)):
            return f"{file}:{frame.f_lineno}"
        if file.startswith(_GENERATED):
            return "the exported program"
        frame = frame.f_back
    return "the model"


def holds_for_other_values(
    model: Callable[..., object], traced: Callable[..., object], inputs: Sequence[object]
) -> bool:
    """Whether a trace gives what the model gives for inputs with other elements than those it was traced with."""
    with torch.no_grad():
        for others in other_inputs(inputs):
            try:
                wanted = model(*others)
            except Exception:  # noqa: BLE001, S112 - a user's model may refuse such values in any way
                continue
            try:
                found = traced(*others)
            except RuntimeError:
                return False
            if not gives_alike(found, wanted):
                return False
    return True


def gives_alike(found: object, wanted: object) -> bool:
    """Whether the tensors in what two runs gave are as many, of the same shapes and types, and near to equal."""
    tensors, others = list(_tensors([found])), list(_tensors([wanted]))
    return len(tensors) == len(others) and all(map(_is_close, tensors, others))


def _is_close(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return False
    if not wanted.is_floating_point():
        return torch.equal(found, wanted)
    scale = float(wanted.detach().nan_to_num(0.0, 0.0, 0.0).abs().max()) if wanted.numel() else 0.0
    return torch.allclose(found, wanted, rtol=_TOLERANCE, atol=_TOLERANCE * max(scale, 1e-30), equal_nan=True)
