"""The elements of constants: parameters, literals, and what nodes compute from those and from shapes alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from nnapi_check.analyzer.errors import InputError, OpError
from nnapi_check.analyzer.graph import GraphInput, Parameter, TensorType
from nnapi_check.analyzer.growing_graph import Draft, NodeDraft, drafts_in
from nnapi_check.analyzer.ops.bounded_calls import BoundedCalls, Bounds
from nnapi_check.analyzer.ops.calls import call, operation_of, stand_in
from nnapi_check.analyzer.ops.packed_ops import unpacked_tensor
from nnapi_check.analyzer.tensor_types import empty_like_type, flat_tensors
from nnapi_check.analyzer.torchscript import attribute_at, constant, quiet

MAX_CONSTANT = 1 << 28
"""What has more elements than this is left to the run, though it depends on constants alone."""

WHEN_READ = Bounds(MAX_CONSTANT, 16 * MAX_CONSTANT)
"""What may be computed before a run."""


@dataclass(slots=True)
class ConstantValues:
    """Reads and computes the constants of a captured graph; ``known`` is what the walk knew of TorchScript's values."""

    module: torch._C.ScriptModule
    nodes: tuple[NodeDraft, ...]
    known: Mapping[int, object]
    _live: dict[Draft, torch.Tensor] = field(init=False, default_factory=dict)
    _results: dict[Draft, torch.Tensor] = field(init=False, default_factory=dict)
    _failures: dict[Draft, Exception] = field(init=False, default_factory=dict)
    _calls: BoundedCalls = field(init=False, default_factory=lambda: BoundedCalls(WHEN_READ))
    _is_computed: bool = field(init=False, default=False)

    def tensor(self, draft: Draft) -> torch.Tensor:
        """The elements of a constant; `ValueError` for a value that is none."""
        if not draft.is_constant:
            raise ValueError(f"{draft.torch_value.debugName()} is not a constant")
        if draft.origin is not None:
            return self._stored(draft)
        if not self._is_computed:
            self._compute()
        if draft not in self._results:
            raise self._failures.get(draft) or ValueError(f"{draft.torch_value.debugName()} is not known before a run")
        return self._results[draft]

    def refuse_failures(self) -> None:
        """Raise an `InputError` for the first constant that a kernel fails to compute.

        None is kept for longer than others are computed from it.
        """
        nodes = self._constant_nodes()
        last = {draft: place for place, node in enumerate(nodes) for draft in (*self._read_by(node), *node.outputs)}
        no_more_read: list[list[Draft]] = [[] for _ in nodes]
        for draft, place in last.items():
            no_more_read[place].append(draft)
        for node, drafts in zip(nodes, no_more_read, strict=True):
            self._run(node)
            for draft in drafts:
                self._live.pop(draft, None)
        for failure in self._failures.values():
            if isinstance(failure, InputError):
                raise failure

    def _constant_nodes(self) -> list[NodeDraft]:
        """The nodes to run, in order, so that in-place ops write as they do in a run of the model."""
        return [node for node in self.nodes if node.is_constant]

    def _stored(self, draft: Draft) -> torch.Tensor:
        if isinstance(draft.origin, Parameter):
            path = draft.origin.path.removesuffix(f".{draft.part}") if draft.part else draft.origin.path
            found = attribute_at(self.module, path)
        else:
            found = draft.torch_value.toIValue()
        if draft.part:
            return unpacked_tensor(found, draft.part)
        if not isinstance(found, torch.Tensor):
            raise ValueError(f"{draft.torch_value.debugName()} is not a tensor")
        return found.detach()

    def _compute(self) -> None:
        """Run every constant node once."""
        self._is_computed = True
        for node in self._constant_nodes():
            self._run(node)
            # What is made may be written to later.
            self._results.update((draft, self._live[draft].clone()) for draft in node.outputs if draft in self._live)

    def _run(self, node: NodeDraft) -> None:
        """Compute what a constant node gives."""
        operation = operation_of(node.torch_node.schema())
        try:
            items = [self._real(self._item(value)) for value in node.torch_node.inputs()]
            with quiet(), torch.no_grad():
                found = call(operation, items, self._calls)
        except (OpError, ValueError) as error:
            # Nobody may ask for it; `tensor` says so when somebody does.
            failure = self._failure(node, error)
            self._failures.update((draft, failure) for draft in node.outputs)
            return
        tensors = flat_tensors(found)
        for draft, tensor in zip(node.outputs, tensors, strict=False):
            self._live[draft] = tensor
        for version in node.outputs[len(tensors) :]:
            base = self._live.get(version.base) if version.base is not None else None
            if base is not None:
                self._live[version] = base

    def _read_by(self, node: NodeDraft) -> Iterator[Draft]:
        """The tensors that a constant node reads."""
        return drafts_in([self._item(value) for value in node.torch_node.inputs()])

    def _failure(self, node: NodeDraft, error: Exception) -> Exception:
        """What to say of a constant that a kernel fails to compute: a run of the model fails there too."""
        before = next((self._failures[draft] for draft in self._read_by(node) if draft in self._failures), None)
        if before is not None or error.__cause__ is None:
            return before or error
        return InputError(
            f"The model fails in {node.op} at {node.source}, on constants alone: {str(error).rstrip('.')}; "
            "give it weights that it can compute with."
        )

    def _item(self, value: torch._C.Value) -> object:
        """What is known of a value; constants that were written anew since the walk are read from the graph."""
        number = value.unique()
        return self.known[number] if number in self.known else constant(value)

    def _real(self, item: object) -> object:
        if isinstance(item, Draft):
            return self._real_tensor(item)
        if isinstance(item, list):
            return [self._real(part) for part in item]
        if isinstance(item, tuple):
            return tuple(self._real(part) for part in item)
        return item

    def _real_tensor(self, draft: Draft) -> torch.Tensor:
        found = self._live.get(draft)
        if found is not None:
            return found
        if isinstance(draft.origin, GraphInput) or not draft.is_constant:
            # Only its shape and element type can matter, or the node would be no constant.
            found = _shaped(draft)
        elif draft.origin is not None:
            found = self._stored(draft).clone()
        else:
            raise ValueError(f"{draft.torch_value.debugName()} is not known before a run")
        self._live[draft] = found
        return found


def _shaped(draft: Draft) -> torch.Tensor:
    if draft.tensor is None:
        raise ValueError(f"the shape of {draft.torch_value.debugName()} is not known before a run")
    kind = draft.type
    if isinstance(kind, TensorType) and kind.is_quantized:
        return empty_like_type(kind, device="cpu")
    return stand_in(draft.tensor)


def largest_size(results: Sequence[object]) -> int:
    """The number of elements of the largest tensor among results and in lists of them."""
    sizes = (largest_size(item) if isinstance(item, (list, tuple)) else _numel(item) for item in results)
    return max(sizes, default=0)


def _numel(item: object) -> int:
    return item.numel() if isinstance(item, torch.Tensor) else 0
