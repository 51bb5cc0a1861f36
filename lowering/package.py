"""One TorchScript file that holds the user's module, its NNAPI parts, and the choice between both at run time.

The module's own ``forward`` stays as it is and runs on the CPU. A second method runs the parts in NNAPI. Weights
are stored once: what NNAPI needs of them is computed when it is initialized.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import torch
from torch.utils.bundled_inputs import augment_model_with_bundled_inputs, bundle_large_tensor

from lowering.border import Border
from lowering.graph_surgery import ConstantStore, GraphCopy, PackageError, fill_method, replace_run
from lowering.guards import guard_source
from lowering.manifest import HeldValue, Json, Manifest, PartRecord
from lowering.package_source import (
    NO_TENSORS,
    PREPARE_PART,
    SWITCHES,
    Parameter,
    buffers_source,
    part_forward_source,
    prepare_source,
    same_call_source,
    serialized_source,
    wrapper_forward_source,
)
from lowering.recipe_torch import SourceWriter, TensorOf, check_declared, tensor_from_bytes
from lowering.script_modules import add_attribute, define, has_attribute, named_type, new_module, type_of, wrapped
from lowering.weight_access import ValueSource, WeightAccess
from lowering.weights import Inline, Recipe


class Preference(IntEnum):
    """What NNAPI's driver is to favor (``PreferenceCode``)."""

    LOW_POWER = 0
    FAST_SINGLE_ANSWER = 1
    SUSTAINED_SPEED = 2


@dataclass(frozen=True, slots=True)
class PackagedPart:
    """A run of nodes of the captured TorchScript graph, and the NNAPI model that stands for it.

    ``inputs`` and ``outputs`` are in the order of the model's; each has its border in ``input_borders`` and
    ``output_borders``. ``serialized`` is the model in the loader's format, whose numbered buffers are ``buffers``.
    ``nodes`` and ``held`` name nodes and values of our graph, for those who read the package later.
    """

    torch_nodes: tuple[torch._C.Node, ...]
    inputs: tuple[torch._C.Value, ...]
    outputs: tuple[torch._C.Value, ...]
    input_borders: tuple[Border, ...]
    output_borders: tuple[Border, ...]
    serialized: bytes
    buffers: tuple[Recipe, ...]
    nodes: tuple[int, ...] = ()
    held: tuple[HeldValue, ...] = ()

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.input_borders) or len(self.outputs) != len(self.output_borders):
            raise PackageError("a part has another number of borders than of inputs or outputs")
        if not self.torch_nodes or not self.outputs:
            raise PackageError("a part has no nodes or no outputs")
        if len(self.serialized) % 4 != 0:
            raise PackageError(f"a part's model has {len(self.serialized)} bytes, wanted a multiple of 4")


@dataclass(frozen=True, slots=True)
class PackageSource:
    """The captured module, whose ``forward`` is frozen with its parameters kept as attributes.

    ``graph`` is the captured form of ``forward``, to which the parts' nodes and values belong. ``source_of`` says
    where a value of our graph comes from in it, ``tensor_of`` what a constant one holds. ``examples`` are the
    inputs that the parts were lowered for; only their structure, types and plain numbers count.
    """

    module: torch._C.ScriptModule
    graph: torch._C.Graph
    source_of: Callable[[int], ValueSource]
    tensor_of: TensorOf
    examples: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class PackageOptions:
    """How NNAPI is to run the parts. ``is_relaxed`` lets it compute float32 with the precision of float16."""

    preference: Preference = Preference.SUSTAINED_SPEED
    is_relaxed: bool = False
    bundled_inputs: tuple[tuple[object, ...], ...] = ()
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Package:
    """A module that is ready to be saved, and what it tells about itself."""

    module: torch.jit.ScriptModule
    manifest: Manifest


def build_package(source: PackageSource, parts: Sequence[PackagedPart], options: PackageOptions) -> Package:
    """Build the module of a package. The captured module becomes a part of it, so it can be packaged only once."""
    module = source.module
    if has_attribute(module, "nnapi_forward") or has_attribute(module, "nnapi_part_0"):
        raise PackageError("the captured module is packaged already")
    names = [f"nnapi_part_{index}" for index in range(len(parts))]
    parameters = _parameters(module)
    define(module, same_call_source("nnapi_forward", parameters))
    copy = fill_method(module, "nnapi_forward", source.graph)
    for name, part in zip(names, parts, strict=True):
        _place_part(module, copy, name, part, options)
    store = ConstantStore(module)
    _define_buffers(source, parts, names, store)
    store.lift(copy.graph)
    store.lift(module._get_method("forward").graph)
    torch._C._jit_pass_dce(copy.graph)
    torch._C._jit_pass_lint(copy.graph)
    wrapper = _wrap(module, parameters, names, source.examples)
    manifest = Manifest(
        parts=tuple(
            PartRecord(name, part.input_borders, part.output_borders, part.nodes, part.held)
            for name, part in zip(names, parts, strict=True)
        ),
        preference=options.preference,
        is_relaxed=options.is_relaxed,
        extra=options.extra,
    )
    return Package(_with_bundled_inputs(wrapper, options.bundled_inputs), manifest)


def _place_part(
    module: torch._C.ScriptModule, copy: GraphCopy, name: str, part: PackagedPart, options: PackageOptions
) -> None:
    made = new_module("NnapiPart")
    words = torch.frombuffer(bytearray(part.serialized), dtype=torch.int32)
    add_attribute(made, "serialized", named_type("Tensor"), words)
    add_attribute(made, "buffers", named_type("Tensor[]"), [])
    add_attribute(made, "compilation", named_type("__torch__.torch.classes._nnapi.Compilation?"), None)
    define(made, PREPARE_PART.format(preference=int(options.preference), relaxed=options.is_relaxed))
    define(made, part_forward_source(part.input_borders, part.output_borders))
    add_attribute(module, name, type_of(made), made)
    replace_run(copy, name, type_of(made), part.torch_nodes, part.inputs, part.outputs)


def _define_buffers(
    source: PackageSource, parts: Sequence[PackagedPart], names: Sequence[str], store: ConstantStore
) -> None:
    for part in parts:
        for recipe in part.buffers:
            check_declared(recipe, source.tensor_of)
    access = WeightAccess(source.graph, source.source_of, source.tensor_of, store)
    inlined: dict[Inline, torch.Tensor] = {}

    def inline_source(inline: Inline) -> str:
        # The store knows tensors by their memory, so the tensor must live as long as the store.
        tensor = inlined.setdefault(inline, tensor_from_bytes(inline.data, inline.dtype, inline.shape))
        return f"self.{store.attribute_of(tensor)}"

    writer = SourceWriter(access.source, inline_source)
    written = [[writer.write(recipe) for recipe in part.buffers] for part in parts]
    module = source.module
    if access.computed:
        define(module, NO_TENSORS.format(name="nnapi_computed"))
        access.fill_computed(module._get_method("nnapi_computed").graph)
    define(module, buffers_source(writer.lines, written, has_computed=bool(access.computed)))
    define(module, prepare_source(names))


def _wrap(
    module: torch._C.ScriptModule, parameters: Sequence[Parameter], names: Sequence[str], examples: Sequence[object]
) -> torch._C.ScriptModule:
    wrapper = new_module("Converted")
    add_attribute(wrapper, "model", type_of(module), module)
    for switch, is_on in (("training", False), ("nnapi_enabled", True), ("nnapi_ready", False)):
        add_attribute(wrapper, switch, named_type("bool"), is_on)
    define(wrapper, SWITCHES)
    define(wrapper, serialized_source(names))
    annotations = [parameter.annotation for parameter in parameters]
    define(wrapper, guard_source("nnapi_matches", annotations, _with_defaults(module, examples)))
    define(wrapper, wrapper_forward_source(parameters))
    return wrapper


def _arguments(module: torch._C.ScriptModule) -> Iterable[torch._C.Argument]:
    return module._get_method("forward").schema.arguments[1:]


def _parameters(module: torch._C.ScriptModule) -> list[Parameter]:
    return [
        Parameter(
            argument.name,
            argument.type.annotation_str,
            repr(argument.default_value) if argument.has_default_value() else None,
        )
        for argument in _arguments(module)
    ]


def _with_defaults(module: torch._C.ScriptModule, examples: Sequence[object]) -> list[object]:
    arguments = list(_arguments(module))
    if len(examples) > len(arguments):
        raise PackageError(f"there are {len(examples)} example inputs for {len(arguments)} parameters")
    left_out = arguments[len(examples) :]
    for argument in left_out:
        if not argument.has_default_value():
            raise PackageError(f"there is no example input for the parameter {argument.name!r}")
    return [*examples, *(argument.default_value for argument in left_out)]


def _with_bundled_inputs(
    module: torch._C.ScriptModule, bundled: Sequence[tuple[object, ...]]
) -> torch.jit.ScriptModule:
    if bundled:
        whole: Callable[[torch.Tensor], object] = bundle_large_tensor
        inputs = [tuple(whole(item) if isinstance(item, torch.Tensor) else item for item in row) for row in bundled]
        augment_model_with_bundled_inputs(wrapped(module), inputs)
    return wrapped(module)
