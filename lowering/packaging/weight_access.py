"""How a method of the captured module reads a constant value of its graph: by path, as an attribute, or computed."""

from __future__ import annotations

import keyword

import torch

from nnapi_check.analyzer.capture.capture import Captured
from nnapi_check.analyzer.graph import TensorType
from nnapi_check.lowering.emission.recipes import PackedValue, Weight
from nnapi_check.lowering.packaging.constant_store import ConstantStore, constant_tensor
from nnapi_check.lowering.packaging.graph_copy import GraphCopy, PackageError, written_values
from nnapi_check.lowering.packaging.graph_surgery import has_ordered_effect
from nnapi_check.lowering.packaging.script_modules import clone_node
from nnapi_check.lowering.packaging.stand_ins import insert_empty

_PASSING = frozenset({"prim::unchecked_cast", "prim::unchecked_unwrap_optional", "aten::_unwrap_optional"})


class WeightAccess:
    """Finds for constant values the expression that reads them in a method of the module.

    ``computed`` are the values that must be computed by nodes of the graph, in the order of their numbers;
    ``reads_packed`` is whether any is read out of packed parameters.
    """

    def __init__(self, captured: Captured, copy: GraphCopy, store: ConstantStore) -> None:
        self._captured = captured
        self._copy_of = copy.values
        self._ids = {copy.values[number].unique(): value for number, value in value_ids(captured).items()}
        self._self_value = copy.self_value.unique()
        self._store = store
        self._numbers: dict[int, int] = {}
        self.computed: list[torch._C.Value] = []
        self.reads_packed = False

    def source(self, leaf: Weight | PackedValue) -> str:
        """The expression that reads a leaf of a recipe."""
        value = self._copy_of[self._captured.torch_values[leaf.value].unique()]
        text = self._value_source(leaf.value, value)
        part = self._captured.part_of(leaf.value) if isinstance(leaf, Weight) else ""
        self.reads_packed = self.reads_packed or bool(part) or isinstance(leaf, PackedValue)
        match part:
            case "weight":
                return f"{text}.unpack()[0]"
            case "bias":
                return f"torch.ops.aten._unwrap_optional({text}.unpack()[1])"
            case "":
                is_optional = isinstance(value.type(), torch.OptionalType)
                return f"torch.ops.aten._unwrap_optional({text})" if is_optional else text
            case _:
                raise PackageError(f"value {leaf.value} is the {part} of packed parameters, wanted weight or bias")

    def _value_source(self, id_: int, value: torch._C.Value) -> str:
        path = self._path(value)
        if path is not None:
            return _path_source(path)
        tensor = constant_tensor(value.node())
        if tensor is not None:
            return f"self.{self._store.attribute_of(tensor)}"
        if not self._can_compute(value):
            return f"self.{self._store.attribute_of(self._tensor(id_))}"
        number = self._numbers.setdefault(value.unique(), len(self.computed))
        if number == len(self.computed):
            self.computed.append(value)
        return f"computed[{number}]"

    def _path(self, value: torch._C.Value) -> list[str] | None:
        names: list[str] = []
        while value.unique() != self._self_value:
            node = value.node()
            if node.kind() == "prim::GetAttr":
                names.insert(0, node.s("name"))
            elif node.kind() not in _PASSING:
                return None
            value = next(iter(node.inputs()))
        return names

    def _tensor(self, id_: int) -> torch.Tensor:
        """The elements of a constant that the package must store beside what it was computed from."""
        try:
            # It may be a view of something much larger, all of which would be stored.
            return self._captured.tensor(id_).detach().clone()
        except ValueError as error:
            raise PackageError(f"value {id_} is a constant that can be neither computed nor stored") from error

    def _can_compute(self, value: torch._C.Value) -> bool:
        """Whether copies of the nodes that compute a value give the same: nothing on the way is changed in place."""
        seen: set[int] = set()
        stack = [value]
        while stack:
            current = stack.pop()
            if current.unique() in seen or current.unique() == self._self_value or self._form(current) is not None:
                continue
            seen.add(current.unique())
            node = current.node()
            if node.kind() == "prim::Param" or list(node.blocks()) or node.isNondeterministic():
                return False
            if has_ordered_effect(node) or _is_overwritten(current):
                return False
            stack.extend(node.inputs())
        return True

    def fill_computed(self, graph: torch._C.Graph) -> None:
        """Put copies of the nodes that compute ``computed`` into a method that returns a list of tensors."""
        old_return = next(iter(graph.outputs()))
        copies = {self._self_value: next(iter(graph.inputs()))}
        for value in self.computed:
            self._copy(graph, value, copies)
        made = graph.create("prim::ListConstruct", [copies[value.unique()] for value in self.computed], 1)
        made.output().setType(old_return.type())
        made.insertBefore(graph.return_node())
        old_return.replaceAllUsesWith(made.output())
        torch._C._jit_pass_dce(graph)
        self._store.lift(graph)
        torch._C._jit_pass_lint(graph)

    def _copy(self, graph: torch._C.Graph, value: torch._C.Value, copies: dict[int, torch._C.Value]) -> None:
        """Copy a value with all that it needs. Elements of what is not constant are not needed, only their form."""
        stack = [value]
        while stack:
            current = stack[-1]
            if current.unique() in copies:
                stack.pop()
                continue
            form = self._form(current)
            if form is not None:
                copies[current.unique()] = insert_empty(graph, form, graph.return_node())
                continue
            missing = [item for item in current.node().inputs() if item.unique() not in copies]
            if missing:
                stack.extend(missing)
                continue
            copied = clone_node(graph, current.node(), lambda item: copies[item.unique()])
            copied.insertBefore(graph.return_node())
            for old, new in zip(current.node().outputs(), copied.outputs(), strict=True):
                copies[old.unique()] = new

    def _form(self, value: torch._C.Value) -> TensorType | None:
        """The type of a value that is not constant, of which a constant can need no more than that."""
        known = self._ids.get(value.unique())
        if known is None or self._captured.graph.values[known].is_constant:
            return None
        return self._captured.graph.tensor_type(known)


def value_ids(captured: Captured) -> dict[int, int]:
    """The ids of the graph's tensor values by the numbers of their TorchScript values."""
    found: dict[int, int] = {}
    for value, torch_value in enumerate(captured.torch_values):
        if isinstance(torch_value.type(), torch.TensorType) and not captured.part_of(value):
            found.setdefault(torch_value.unique(), value)
    return found


def _is_overwritten(value: torch._C.Value) -> bool:
    """Whether anything changes a value in place, or a view of it."""
    seen: set[int] = set()
    stack = [value]
    while stack:
        current = stack.pop()
        if current.unique() in seen:
            continue
        seen.add(current.unique())
        for use in current.uses():
            reader = use.user
            if any(written.unique() == current.unique() for written in written_values(reader)):
                return True
            if _gives_view(reader):
                stack.extend(reader.outputs())
    return False


def _gives_view(node: torch._C.Node) -> bool:
    schema = node.schema()
    if "::" not in schema:
        return node.kind() in _PASSING
    return any(found.alias_info is not None for found in torch._C.parse_schema(schema).returns)


def _path_source(path: list[str]) -> str:
    text = "self"
    for name in path:
        is_plain = name.isidentifier() and not keyword.iskeyword(name)
        text = f"{text}.{name}" if is_plain else f'getattr({text}, "{name}")'
    return text
