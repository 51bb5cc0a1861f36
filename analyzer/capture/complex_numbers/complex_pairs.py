"""Complex numbers of Fourier transforms, carried as two tensors of floats: real and imaginary parts.

NNAPI has no complex numbers. The transform of frames by a fixed window is two convolutions, its inverse is one, and
other transforms are products with matrices. What is done to complex numbers in between is arithmetic on their parts.
Where something else reads a complex number, it is put together for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from math import gcd, sqrt

import torch

from nnapi_check.analyzer.capture.complex_numbers.complex_arithmetic import pair_graphs
from nnapi_check.analyzer.capture.complex_numbers.fourier_transforms import Step, transform_of
from nnapi_check.analyzer.growing_graph import Draft
from nnapi_check.analyzer.ops.calls import Operation, operation_of
from nnapi_check.analyzer.torchscript import clone_node, insert_constant, tensor_op

_ALONE = {
    **{name: name for name in ("abs", "angle", "real", "imag", "view_as_real", "neg")},
    **dict.fromkeys(("conj", "_conj", "conj_physical"), "conj"),
}
"""Ops that read one complex tensor and nothing else, and what they are on pairs."""

_BEGINS = ("view_as_complex", "complex", "polar")
_SAME = ("resolve_conj", "resolve_neg", "contiguous")
_EACH = (
    *("transpose", "permute", "view", "reshape", "unsqueeze", "squeeze", "slice", "select", "expand", "flatten"),
    *("narrow", "sum", "mean", "clone", "alias"),
)
"""Ops that do the same to each part."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What becomes of one node: a graph on pairs by name, with the values and numbers that it takes behind the pairs,
    or else the same op on each part; graphs that take what the one before gave come ``after``. ``reads`` are the
    complex values among what the node reads, and ``shape`` is that of its parts where the graph gives them another."""

    node: torch._C.Node
    makes_complex: bool
    reads: tuple[torch._C.Value, ...]
    graph: str = ""
    others: tuple[torch._C.Value, ...] = ()
    numbers: tuple[object, ...] = ()
    shape: tuple[int, ...] | None = None
    after: tuple[Step, ...] = ()


def express_complex(graph: torch._C.Graph, item_of: Callable[[torch._C.Value], object]) -> bool:
    """Write what a graph does to complex numbers on pairs of tensors, where it is known how; whether anything was.

    ``item_of`` tells what a value is. What lies in branches and loops stays as it is.
    """
    planned = [plan for node in graph.nodes() if (plan := _plan(_Call(node, item_of))) is not None]
    constants = {value.unique() for plan in planned for value in plan.reads if _is_constant(item_of(value))}
    plans = _connected({plan.node.output().unique(): plan for plan in planned}, constants)
    writer = _Writer(graph)
    for plan in plans:
        writer.write(plan)
    writer.finish()
    return bool(plans)


def _connected(plans: dict[int, _Plan], constants: Set[int]) -> list[_Plan]:
    """The plans whose complex inputs are constants or made by others, and whose complex output another reads."""
    while True:
        read = {value.unique() for plan in plans.values() for value in plan.reads}
        kept = {
            number: plan
            for number, plan in plans.items()
            if all(value.unique() in plans or value.unique() in constants for value in plan.reads)
            and (number in read or not plan.makes_complex)
        }
        if len(kept) == len(plans):
            return list(kept.values())
        plans = kept


class _Call:
    """A node with what is known of what it reads and makes."""

    def __init__(self, node: torch._C.Node, item_of: Callable[[torch._C.Value], object]) -> None:
        self.node = node
        self._item_of = item_of

    @cached_property
    def values(self) -> list[torch._C.Value]:
        """What it reads."""
        return list(self.node.inputs())

    @cached_property
    def operation(self) -> Operation | None:
        """The op of PyTorch that it calls, if it gives one value and writes to none."""
        schema = self.node.schema() if self.node.kind().startswith("aten::") and self.node.outputsSize() == 1 else ""
        found = operation_of(schema) if schema and schema != "(no schema)" else None
        return None if found is None or found.is_mutable else found

    @cached_property
    def arguments(self) -> Mapping[str, torch._C.Value]:
        """What it reads, by the names of its arguments."""
        names = [] if self.operation is None else [argument.name for argument in self.operation.arguments]
        return dict(zip(names, self.values, strict=False))

    @cached_property
    def complexes(self) -> tuple[torch._C.Value, ...]:
        """The complex values that it reads."""
        return tuple(value for value in self.values if _is_complex(self._tensor_of(value)))

    @property
    def made(self) -> object:
        """What is known of what it makes."""
        return self._item_of(self.node.output())

    @property
    def output(self) -> torch.Tensor | None:
        """What it makes, as far as that is known."""
        return self._tensor_of(self.node.output())

    def tensor(self, name: str) -> torch.Tensor | None:
        """A tensor argument of which the type is known."""
        return self._tensor_of(self.arguments[name]) if name in self.arguments else None

    def real(self, name: str) -> torch.Tensor | None:
        """The same of one that holds float32 numbers."""
        found = self.tensor(name)
        return found if found is not None and found.dtype is torch.float32 else None

    def plain(self, name: str) -> object:
        """An argument that is no tensor; None where it is not given, or there is no such."""
        return self._item_of(self.arguments[name]) if name in self.arguments else None

    def is_constant(self, name: str) -> bool:
        """Whether an argument is a tensor that no input changes."""
        return _is_constant(self.plain(name))

    def _tensor_of(self, value: torch._C.Value) -> torch.Tensor | None:
        found = self._item_of(value)
        return found.tensor if isinstance(found, Draft) else None


def _is_constant(item: object) -> bool:
    return isinstance(item, Draft) and item.is_constant


def _is_complex(tensor: torch.Tensor | None) -> bool:
    return tensor is not None and tensor.dtype is torch.complex64


def _plan(call: _Call) -> _Plan | None:
    """How a node is written, where it may be."""
    if call.operation is None or _is_constant(call.made):
        return None
    output = call.output
    name = call.operation.name.removeprefix("aten::")
    if name == "istft":
        return _backward(call)
    if output is None:
        return None
    if name == "stft":
        return _forward(call, output)
    makes_complex = _is_complex(output)
    transformed = _transformed(call, name, makes_complex=makes_complex)
    if transformed is not None:
        return transformed
    if name in _BEGINS and makes_complex and all(call.real(argument) is not None for argument in call.arguments):
        return _Plan(call.node, makes_complex, (), name, tuple(call.values))
    if not call.complexes:
        return None
    if name in _ALONE and len(call.values) == 1:
        return _Plan(call.node, makes_complex, call.complexes, _ALONE[name])
    is_first = call.values[0].unique() == call.complexes[0].unique()
    if not makes_complex or (name in (*_SAME, *_EACH) and (not is_first or len(call.complexes) != 1)):
        return None
    if name in _SAME:
        return _Plan(call.node, makes_complex, call.complexes)
    if name in _EACH and call.plain("dtype") is None:
        return _Plan(call.node, makes_complex, call.complexes)
    return _of_two(call, name, output, is_first=is_first)


def _transformed(call: _Call, name: str, *, makes_complex: bool) -> _Plan | None:
    """A Fourier transform of all numbers along some dimensions."""
    source = call.tensor("self")
    if source is None or (not call.complexes and call.real("self") is None):
        return None
    found = transform_of(name, call.plain, source.shape, is_complex=bool(call.complexes))
    if found is None:
        return None
    (first, numbers), *after = found.steps(source.shape)
    others = () if call.complexes else (call.arguments["self"],)
    return _Plan(call.node, makes_complex, call.complexes, first, others, numbers, after=tuple(after))


def _of_two(call: _Call, name: str, output: torch.Tensor, *, is_first: bool) -> _Plan | None:
    """Arithmetic of two complex tensors, or of one and real numbers."""
    other = call.plain("other")
    if call.plain("rounding_mode") is not None or call.plain("alpha") not in (None, 1):
        return None
    if len(call.complexes) == 2:
        return _Plan(call.node, True, call.complexes, name) if name in ("mul", "add", "sub") else None
    source = call.tensor("self" if is_first else "other")
    if name in ("add", "sub") and (source is None or source.shape != output.shape):
        # What is added would broaden the real parts alone.
        return None
    if name in ("mul", "add") and not is_first and call.real("self") is not None:
        return _Plan(call.node, True, call.complexes, f"{name}_real", (call.arguments["self"],))
    if name not in ("mul", "div", "add", "sub") or not is_first:
        return None
    if isinstance(other, (int, float)):
        return _Plan(call.node, True, call.complexes, f"{name}_number", (), (float(other),))
    return (
        _Plan(call.node, True, call.complexes, f"{name}_real", (call.values[1],))
        if call.real("other") is not None
        else None
    )


@dataclass(frozen=True, slots=True)
class _Frames:
    """Frames of ``n`` numbers, each ``hop`` behind the one before, and the zeros beside the window in each."""

    n: int
    hop: int
    left: int
    right: int

    @property
    def step(self) -> int:
        """The longest run of numbers that frames and the ways between them are made of."""
        return gcd(self.n, self.hop)

    @property
    def ends(self) -> tuple[int, int, int]:
        """The length of a frame, and the zeros on both sides."""
        return self.n, self.left, self.right


def _frames(call: _Call) -> _Frames | None:
    """The frames of a transform by a window that does not change."""
    n = call.plain("n_fft")
    hop, width = call.plain("hop_length"), call.plain("win_length")
    if type(n) is not int or not call.is_constant("window") or call.real("window") is None:
        return None
    hop, width = n // 4 if hop is None else hop, n if width is None else width
    if type(hop) is not int or type(width) is not int or hop < 1:
        return None
    left = (n - width) // 2
    return _Frames(n, hop, left, n - width - left)


def _forward(call: _Call, output: torch.Tensor) -> _Plan | None:
    """A transform of frames: a convolution for each part, of rows whose channels are steps."""
    frames, source = _frames(call), call.real("self")
    if frames is None or source is None or call.plain("center") or call.plain("align_to_window"):
        return None
    shape = tuple(output.shape if _is_complex(output) else output.shape[:-1])
    batch = source.shape[0] if source.dim() > 1 else 1
    scale = 1 / sqrt(frames.n) if call.plain("normalized") else 1.0
    numbers = (*frames.ends, *shape[-2:], batch, frames.step, frames.hop // frames.step, scale)
    given = (call.arguments["self"], call.arguments["window"])
    return _Plan(call.node, _is_complex(output), (), "stft", given, numbers, shape)


def _backward(call: _Call) -> _Plan | None:
    """The inverse: a convolution that adds frames up where they overlap, and a product for how often they do."""
    frames, source = _frames(call), call.tensor("self")
    if frames is None or source is None or not _is_complex(source) or call.plain("return_complex"):
        return None
    batch, count = source.shape[0] if source.dim() > 2 else 1, source.shape[-1]
    whole, first = frames.n + frames.hop * (count - 1), frames.n // 2 if call.plain("center") else 0
    length = call.plain("length")
    size = whole - 2 * first if length is None else length
    if type(size) is not int or not 0 < size <= whole - first:
        return None
    half = frames.n // 2 + 1
    if source.shape[-2] != half:
        return None
    scale = 1 / sqrt(frames.n) if call.plain("normalized") else 1 / frames.n
    numbers = (*frames.ends, half, count, batch, frames.step, frames.hop, scale, first, size)
    # Frames that lie whole steps behind each other are added up by a convolution that goes from step to step.
    name = "istft_of_whole_steps" if frames.hop == frames.step else "istft"
    given = (call.arguments["window"],)
    return _Plan(call.node, False, call.complexes, name, given, numbers, (*source.shape[:-2], size))


class _Writer:
    """Writes nodes of one graph on pairs."""

    def __init__(self, graph: torch._C.Graph) -> None:
        self._graph = graph
        self._parts: dict[int, Sequence[torch._C.Value]] = {}
        self._found: dict[int, torch._C.Value] = {}
        self._written: list[torch._C.Node] = []

    def write(self, plan: _Plan) -> None:
        """Put what a node becomes before it."""
        node, before = plan.node, plan.node.prev()
        self._graph.setInsertPoint(node)
        parts = [part for value in plan.reads for part in self._parts_of(value)]
        made = self._by_graph(plan, parts) if plan.graph else self._on_each(node, plan.reads[0], parts)
        if not plan.makes_complex and len(made) == 2:
            made = self._graph.insertGraph(pair_graphs()["view_as_real"], list(made))
        for inserted in _between(before, node):
            inserted.copyMetadata(node)
        if plan.makes_complex:
            self._parts[node.output().unique()] = made
        else:
            # Plans know values by the names that they had before.
            self._found[node.output().unique()] = made[0]
            node.output().replaceAllUsesWith(made[0])
        self._written.append(node)

    def finish(self) -> None:
        """Drop the nodes that were written otherwise, and put together what others read of them."""
        for node in reversed(self._written):
            output = node.output()
            if list(output.uses()):
                whole = tensor_op(self._graph, "aten::complex", self._parts[output.unique()])
                whole.insertAfter(node)
                whole.copyMetadata(node)
                output.replaceAllUsesWith(whole.output())
            node.destroy()
        self._graph.setInsertPoint(self._graph.return_node())

    def _parts_of(self, value: torch._C.Value) -> Sequence[torch._C.Value]:
        """The pair that a complex value was written as; a constant is taken apart where it is read."""
        written = self._parts.get(value.unique())
        return self._graph.insertGraph(pair_graphs()["parts"], [value]) if written is None else written

    def _by_graph(self, plan: _Plan, parts: Sequence[torch._C.Value]) -> Sequence[torch._C.Value]:
        numbers = [insert_constant(self._graph, number) for number in plan.numbers]
        others = [self._found.get(value.unique(), value) for value in plan.others]
        made = self._graph.insertGraph(pair_graphs()[plan.graph], [*parts, *others, *numbers])
        for name, more in plan.after:
            given = [insert_constant(self._graph, number) for number in more]
            made = self._graph.insertGraph(pair_graphs()[name], [*made, *given])
        return made if plan.shape is None else [self._reshaped(value, plan.shape) for value in made]

    def _on_each(
        self, node: torch._C.Node, source: torch._C.Value, parts: Sequence[torch._C.Value]
    ) -> Sequence[torch._C.Value]:
        if node.kind().removeprefix("aten::") in _SAME:
            return parts
        return [self._copy(node, source, part) for part in parts]

    def _copy(self, node: torch._C.Node, source: torch._C.Value, part: torch._C.Value) -> torch._C.Value:
        def name(value: torch._C.Value) -> torch._C.Value:
            return part if value.unique() == source.unique() else value

        copy = clone_node(self._graph, node, name)
        copy.output().setType(torch._C.TensorType.get())
        copy.insertBefore(node)
        return copy.output()

    def _reshaped(self, value: torch._C.Value, shape: tuple[int, ...]) -> torch._C.Value:
        node = tensor_op(self._graph, "aten::reshape", [value, insert_constant(self._graph, list(shape))])
        self._graph.insertNode(node)
        return node.output()


def _between(before: torch._C.Node, node: torch._C.Node) -> Iterator[torch._C.Node]:
    """The nodes that were put between two."""
    found = node.prev()
    while found != before:
        yield found
        found = found.prev()
