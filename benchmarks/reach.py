"""Which elements of an op's outputs hang on which elements of its inputs, found by moving them and looking on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch

from nnapi_check.analyzer.capture.capture import Captured
from nnapi_check.analyzer.graph import Node
from nnapi_check.analyzer.tensor_types import flat_tensors
from nnapi_check.analyzer.torchscript import quiet
from nnapi_check.lowering.verification.reference import twins_of

Tensors = tuple[torch.Tensor, ...]

MODERATE = 1e3
"""Greater elements make way for plain ones while others are moved: what they overflow to would hide a movement."""

_TRIES = 4
"""How often an element is moved to another number, besides NaN: a comparison does not notice each time."""


class Reach:
    """What hangs on what in the nodes of one captured graph."""

    def __init__(self, captured: Captured) -> None:
        self.captured = captured
        self._lone: dict[int, _LoneNode] = {}
        self._mixed: dict[tuple[int, int, int], frozenset[int] | None] = {}

    def reached(
        self, node: Node, output: int, source: int, mask: torch.Tensor, inputs: Mapping[int, torch.Tensor]
    ) -> torch.Tensor:
        """The elements of an output that are computed of those that ``mask`` marks in the input ``source``.

        ``inputs`` are the node's, by value id; elements of theirs that tell places are kept as they are.
        """
        return self._of(node).changed(output, source, mask, inputs)

    def beside(
        self, node: Node, output: int, source: int, mask: torch.Tensor, inputs: Mapping[int, torch.Tensor]
    ) -> torch.Tensor:
        """The elements that lie in one line, plane or block with those: in all dimensions that the op mixes."""
        lone = self._of(node)
        key = (node.id, output, source)
        if key not in self._mixed:
            self._mixed[key] = lone.mixed(output, source, inputs)
        mixed, shape = self._mixed[key], lone.shape(output, inputs)
        if mixed is None:
            return torch.ones(shape, dtype=torch.bool)
        return (mask.any(tuple(mixed), keepdim=True) if mixed else mask).expand(shape)

    def _of(self, node: Node) -> _LoneNode:
        if node.id not in self._lone:
            self._lone[node.id] = _LoneNode(self.captured, node)
        return self._lone[node.id]


class _LoneNode:
    """One node of a captured graph as a function of the tensors that it reads."""

    def __init__(self, captured: Captured, node: Node) -> None:
        graph = captured.torch_graph.copy()
        twins = twins_of(captured, graph)
        self.captured = captured
        self._reads = [value for value in dict.fromkeys(node.inputs()) if value in twins]
        self._makes = [value for value in node.outputs if value in twins]
        for _ in list(graph.outputs()):
            graph.eraseOutput(0)
        together = graph.create("prim::TupleConstruct", [twins[value] for value in self._makes], 1)
        together.output().setType(torch._C.TupleType([twins[value].type() for value in self._makes]))
        graph.appendNode(together)
        graph.registerOutput(together.output())
        for value in self._reads:
            given = graph.addInput()
            given.setType(torch._C.TensorType.get())
            twins[value].replaceAllUsesWith(given)
        torch._C._jit_pass_dce(graph)
        self._function = torch._C._create_function_from_graph("forward", graph)

    def run(self, inputs: Mapping[int, torch.Tensor]) -> dict[int, torch.Tensor] | None:
        """What the node makes of these, by value id; None where it takes no such elements."""
        given = self.captured.input_layout.arguments([x.clone() for x in self.captured.example_inputs])
        torch.manual_seed(0)
        try:
            with quiet(), torch.no_grad():
                made = self._function(self.captured.module, *given, *(inputs[value].clone() for value in self._reads))
        except (RuntimeError, IndexError):
            return None
        return dict(zip(self._makes, flat_tensors(made), strict=True))

    def shape(self, output: int, inputs: Mapping[int, torch.Tensor]) -> torch.Size:
        """The shape of an output."""
        made = self.run(inputs)
        if made is None:
            raise ValueError(f"value {output} cannot be computed alone")
        return made[output].shape

    def changed(self, output: int, source: int, mask: torch.Tensor, inputs: Mapping[int, torch.Tensor]) -> torch.Tensor:
        """The elements of an output that change where those that ``mask`` marks in an input do."""
        found = torch.zeros(self.shape(output, inputs), dtype=torch.bool)
        if not bool(mask.any()):
            return found
        was_seen = False
        for base in _bases(inputs):
            wanted = self.run(base)
            if wanted is None:
                continue
            for moved in _moved(base[source], mask):
                made = self.run({**base, source: moved})
                if made is None:
                    continue
                was_seen = True
                if made[output].shape != found.shape or wanted[output].shape != found.shape:
                    return torch.ones_like(found)
                found |= _differ(made[output], wanted[output])
        return found if was_seen else torch.ones_like(found)

    def mixed(self, output: int, source: int, inputs: Mapping[int, torch.Tensor]) -> frozenset[int] | None:
        """The dimensions along which an element of an input reaches others than its own; None where that means nothing.

        The places along a dimension are told apart by the bits of their numbers.
        """
        tensor, shape = inputs[source], self.shape(output, inputs)
        if tensor.dim() != len(shape):
            return None
        mixed = frozenset(dim for dim in range(tensor.dim()) if self._is_mixed(dim, output, source, inputs, shape))
        is_one = all(tensor.shape[dim] == shape[dim] for dim in range(tensor.dim()) if dim not in mixed)
        return mixed if is_one else None

    def _is_mixed(
        self, dim: int, output: int, source: int, inputs: Mapping[int, torch.Tensor], shape: Sequence[int]
    ) -> bool:
        tensor = inputs[source]
        count = tensor.shape[dim]
        if count != shape[dim]:
            return True
        along = [count if other == dim else 1 for other in range(tensor.dim())]
        for bit in range((count - 1).bit_length()):
            for value in (0, 1):
                chosen = ((torch.arange(count) >> bit & 1) == value).reshape(along)
                found = self.changed(output, source, chosen.expand(tensor.shape), inputs)
                if bool((found & ~chosen).any()):
                    return True
        return False


def _bases(inputs: Mapping[int, torch.Tensor]) -> Iterator[Mapping[int, torch.Tensor]]:
    """Inputs of which nothing overflows: as they are but for elements that are not moderate, and plain ones."""
    for keep in (lambda x: x.abs() <= MODERATE, torch.zeros_like):
        yield {value: _plain(tensor, keep, seed) for seed, (value, tensor) in enumerate(inputs.items())}


def _plain(tensor: torch.Tensor, keep: Callable[[torch.Tensor], torch.Tensor], seed: int) -> torch.Tensor:
    if not tensor.is_floating_point():
        return tensor
    plain = 0.5 + torch.rand(tensor.shape, generator=torch.Generator().manual_seed(seed), dtype=tensor.dtype) / 2
    return torch.where(keep(tensor).bool(), tensor, plain)


def _moved(tensor: torch.Tensor, mask: torch.Tensor) -> Iterator[torch.Tensor]:
    """The tensor with other elements where the mask says so: NaN, or numbers of the range that it has."""
    generator = torch.Generator().manual_seed(0)
    if tensor.dtype is torch.bool:
        yield tensor ^ mask
        return
    if tensor.is_floating_point():
        yield torch.where(mask, math.nan, tensor)
        for sign in (1.0, -1.0):
            yield torch.where(mask, sign * MODERATE, tensor)
        for _ in range(_TRIES):
            yield torch.where(mask, torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype), tensor)
        return
    pool = tensor.flatten()
    for step in (1, -1):
        yield torch.where(mask, tensor + step, tensor)
    for _ in range(_TRIES):
        chosen = pool[torch.randint(len(pool), tensor.shape, generator=generator)]
        yield torch.where(mask, chosen, tensor)


def _differ(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    if found.is_quantized:
        found, wanted = found.int_repr(), wanted.int_repr()
    return ~((found == wanted) | ((found != found) & (wanted != wanted)))
