"""A card's examples as TorchScript modules: one call of the op, with its tensors as inputs or parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch.jit._recursive import create_script_module

from nnapi_check.analyzer.ops.op_libraries import import_op_libraries
from nnapi_check.analyzer.torchscript import quiet
from nnapi_check.coverage_db.card_arguments import OURS, card_name
from nnapi_check.coverage_db.cards import Card, Example
from nnapi_check.coverage_db.checks import CardError
from nnapi_check.lowering.examples.own_ops import composed_source
from nnapi_check.lowering.examples.packed_parameters import Packing
from nnapi_check.lowering.examples.tensors import parse_example_tensor

ABSENT_TENSOR = "none"
"""What stands for a tensor that is left out of a list."""


@dataclass(frozen=True, slots=True)
class ExampleModule:
    """An example ready to be captured: the scripted module and its inputs."""

    module: torch.jit.ScriptModule
    inputs: tuple[torch.Tensor, ...]


def example_module(card: Card, example: Example) -> ExampleModule:
    """Build a module whose forward is the example's one call. Random tensors are the same at every call."""
    namespace, name, overload = card.op.split(".")
    holder = torch.nn.Module()
    builder = _Builder(holder, dict(example.tensors), dict(example.args), f"{card.op}, example {example.name}")
    if namespace == OURS:
        source = composed_source(card.op, builder.tensor, dict(example.args))
    else:
        arguments = builder.arguments(_schema(namespace, name, overload))
        source = f"found = torch.ops.{namespace}.{name}({', '.join(arguments)})"
    body = ", ".join(f"found[{index}]" for index in example.reads) or "found"
    signature = ", ".join(["self", *(f"{name}: Tensor" for name in builder.input_names)])
    with quiet():
        # Types are not shared, since each module gets a forward of its own. Told that it is traced, PyTorch does not
        # parse the source of nn.Module anew for each.
        module = create_script_module(holder.eval(), lambda _module: [], share_types=False, is_tracing=True)  # type: ignore[no-untyped-call]  # it has no types
    module.define(f"def forward({signature}):\n    {source}\n    return {body}\n")
    return ExampleModule(module, tuple(builder.inputs))


def _schema(namespace: str, name: str, overload: str) -> torch._C.FunctionSchema:
    wanted = "" if overload == "default" else overload
    import_op_libraries({namespace})
    for schema in torch._C._jit_get_schemas_for_operator(f"{namespace}::{name}"):
        if schema.overload_name == wanted:
            return schema
    raise CardError(f"this PyTorch has no op {namespace}.{name}.{overload}")


class _Builder:
    """Writes the arguments of the call, and gives the module its parameters."""

    def __init__(
        self,
        module: torch.nn.Module,
        tensors: Mapping[str, str | tuple[str, ...]],
        args: Mapping[str, object],
        where: str,
    ) -> None:
        self._module = module
        self._tensors = tensors
        self._args = args
        self._where = where
        self._generator = torch.Generator().manual_seed(11)
        self.inputs: list[torch.Tensor] = []
        self.input_names: list[str] = []

    def arguments(self, schema: torch._C.FunctionSchema) -> list[str]:
        packing = Packing.of(schema)
        names = {argument.name: argument.name for argument in schema.arguments}
        if packing is not None:
            names = {name: card_name(name) for name in names if name != packing.argument}
        known = {*names.values(), *(packing.names if packing is not None else ())}
        unknown = (set(self._tensors) | set(self._args)) - known
        if unknown:
            raise CardError(f"{self._where}: the op has no arguments {sorted(unknown)}; it has {sorted(known)}")
        order = [argument.name for argument in schema.arguments]
        by_position = order[: order.index("self") + 1] if "self" in order else []
        given = []
        for argument in schema.arguments:
            if packing is not None and argument.name == packing.argument:
                # The stubs of a module's attributes know of tensors and modules only.
                self._module.packed = cast("torch.Tensor", self._packed(packing))
                text: str | None = "self.packed"
            else:
                text = self._argument(names[argument.name])
            if text is not None:
                # TorchScript takes `self`, and so what stands before it, by position only.
                given.append(text if argument.name in by_position else f"{argument.name}={text}")
        return given

    def _packed(self, packing: Packing) -> object:
        weight, bias = (self._packed_tensor(name) for name in ("weight", "bias"))
        if weight is None:
            raise CardError(f"{self._where}: packed parameters need a weight")
        return packing.pack(weight, bias, self._args)

    def _packed_tensor(self, name: str) -> torch.Tensor | None:
        spec = self._tensors.get(name)
        if spec is None:
            return None
        written = parse_example_tensor(spec) if isinstance(spec, str) else None
        if written is None or not written.is_constant:
            raise CardError(f"{self._where}: {name} is packed, so it must be a constant")
        return written.made(self._generator)

    def tensor(self, name: str) -> str:
        """What the example's one tensor of this name is called in the module's code."""
        spec = self._tensors.get(name)
        if not isinstance(spec, str):
            raise CardError(f"{self._where}: there is no tensor {name!r}")
        return self._tensor(spec, name)

    def _argument(self, name: str) -> str | None:
        if name in self._tensors:
            spec = self._tensors[name]
            if isinstance(spec, str):
                return self._tensor(spec, name)
            return "[" + ", ".join(self._tensor(part, f"{name}{index}") for index, part in enumerate(spec)) + "]"
        return _written(self._args[name]) if name in self._args else None

    def _tensor(self, spec: str, name: str) -> str:
        if spec == ABSENT_TENSOR:
            return "None"
        written = parse_example_tensor(spec)
        tensor = written.made(self._generator)
        if not written.is_constant:
            self.inputs.append(tensor)
            self.input_names.append(f"x_{name}")
            return f"x_{name}"
        if tensor.is_floating_point() and not tensor.is_quantized:
            self._module.register_parameter(f"p_{name}", torch.nn.Parameter(tensor, requires_grad=False))
        else:
            self._module.register_buffer(f"p_{name}", tensor)
        return f"self.p_{name}"


def _written(value: object) -> str:
    """An argument as TorchScript writes it, which has no name for infinity."""
    if isinstance(value, float) and math.isinf(value):
        return f"float('{value}')"
    return repr(_listed(value))


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
