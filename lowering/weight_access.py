"""How a method of the captured module reads a constant value of its graph: by path, as an attribute, or computed."""

from __future__ import annotations

import keyword
from collections.abc import Callable
from dataclasses import dataclass

import torch

from lowering.graph_surgery import ConstantStore, PackageError, constant_tensor, has_effect
from lowering.recipe_torch import TensorOf
from lowering.script_modules import clone_node
from lowering.weights import PackedValue, Weight

_PACKED_PARTS = {"weight": 0, "bias": 1}


@dataclass(frozen=True, slots=True)
class ValueSource:
    """A value of the captured TorchScript graph.

    ``part`` is empty, or ``weight`` or ``bias`` where the value is a quantized op's packed parameters and
    only this piece of them is meant.
    """

    value: torch._C.Value
    part: str = ""


class WeightAccess:
    """Finds for constant values the expression that reads them in a method of the module.

    ``computed`` are the values that must be computed by nodes of the graph, in the order of their numbers.
    """

    def __init__(
        self,
        graph: torch._C.Graph,
        source_of: Callable[[int], ValueSource],
        tensor_of: TensorOf,
        store: ConstantStore,
    ) -> None:
        self._self_value = next(iter(graph.inputs())).unique()
        self._source_of = source_of
        self._tensor_of = tensor_of
        self._store = store
        self._numbers: dict[int, int] = {}
        self._kept: list[torch.Tensor] = []
        self.computed: list[torch._C.Value] = []

    def source(self, leaf: Weight | PackedValue) -> str:
        """The expression that reads a leaf of a recipe."""
        found = self._source_of(leaf.value)
        text = self._value_source(leaf, found.value)
        if found.part:
            if found.part not in _PACKED_PARTS:
                raise PackageError(f"value {leaf.value} is the part {found.part!r} of packed parameters")
            text = f"{text}.unpack()[{_PACKED_PARTS[found.part]}]"
        is_optional = found.part == "bias" or isinstance(found.value.type(), torch.OptionalType)
        return f"torch.ops.aten._unwrap_optional({text})" if is_optional else text

    def _value_source(self, leaf: Weight | PackedValue, value: torch._C.Value) -> str:
        path = self._path(value)
        if path is not None:
            return _path_source(path)
        tensor = constant_tensor(value.node())
        if tensor is not None:
            return f"self.{self._store.attribute_of(tensor)}"
        if isinstance(value.type(), torch.TensorType) and self._can_compute(value):
            number = self._numbers.setdefault(value.unique(), len(self._numbers))
            if number == len(self.computed):
                self.computed.append(value)
            return f"computed[{number}]"
        held = self._tensor_of(leaf.value)
        if not isinstance(held, torch.Tensor):
            raise PackageError(f"value {leaf.value} is a {type(held).__name__} that no attribute holds")
        # What nodes compute may be a view of something much larger, all of which would be stored.
        self._kept.append(held.detach().clone())
        return f"self.{self._store.attribute_of(self._kept[-1])}"

    def _path(self, value: torch._C.Value) -> list[str] | None:
        names: list[str] = []
        while value.unique() != self._self_value:
            node = value.node()
            if node.kind() == "prim::GetAttr":
                names.insert(0, node.s("name"))
            elif node.kind() not in ("prim::unchecked_cast", "aten::_unwrap_optional"):
                return None
            value = next(iter(node.inputs()))
        return names

    def _can_compute(self, value: torch._C.Value) -> bool:
        """Whether the nodes that compute a value need nothing but the module."""
        seen: set[int] = set()
        stack = [value]
        while stack:
            current = stack.pop()
            if current.unique() in seen or current.unique() == self._self_value:
                continue
            seen.add(current.unique())
            node = current.node()
            is_computation = node.kind() != "prim::Param" and not list(node.blocks())
            if not is_computation or has_effect(node) or node.isNondeterministic():
                return False
            stack.extend(node.inputs())
        return True

    def fill_computed(self, graph: torch._C.Graph) -> None:
        """Put copies of the nodes that compute ``computed`` into a method that returns a list of tensors."""
        old_return = next(iter(graph.outputs()))
        copies = {self._self_value: next(iter(graph.inputs()))}
        graph.setInsertPoint(graph.return_node())
        for value in self.computed:
            self._copy(graph, value, copies)
        made = graph.create("prim::ListConstruct", [copies[value.unique()] for value in self.computed], 1)
        made.output().setType(old_return.type())
        graph.insertNode(made)
        old_return.replaceAllUsesWith(made.output())
        torch._C._jit_pass_dce(graph)
        self._store.lift(graph)
        torch._C._jit_pass_lint(graph)

    def _copy(self, graph: torch._C.Graph, value: torch._C.Value, copies: dict[int, torch._C.Value]) -> None:
        stack = [value]
        while stack:
            current = stack[-1]
            missing = [item for item in current.node().inputs() if item.unique() not in copies]
            if current.unique() in copies or not missing:
                stack.pop()
            if current.unique() in copies:
                continue
            if missing:
                stack.extend(missing)
                continue
            copied = graph.insertNode(clone_node(graph, current.node(), lambda item: copies[item.unique()]))
            for old, new in zip(current.node().outputs(), copied.outputs(), strict=True):
                copies[old.unique()] = new


def _path_source(path: list[str]) -> str:
    text = "self"
    for name in path:
        is_plain = name.isidentifier() and not keyword.iskeyword(name)
        text = f"{text}.{name}" if is_plain else f'getattr({text}, "{name}")'
    return text
