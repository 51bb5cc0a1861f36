"""One TorchScript file that holds the user's module, its NNAPI parts, and the choice between both at run time.

The module's own ``forward`` stays as it is and runs on the CPU. A second method runs the parts in NNAPI. Weights
are stored once: what NNAPI needs of them is computed when it is initialized.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from nnapi_check.analyzer.capture.capture import Captured
from nnapi_check.analyzer.graph import TensorType
from nnapi_check.analyzer.inputs.argument_names import source_names
from nnapi_check.analyzer.inputs.specification import format_type
from nnapi_check.analyzer.tensor_types import empty_like_type
from nnapi_check.analyzer.torchscript import method_names
from nnapi_check.coverage_db.spec import Preference
from nnapi_check.lowering.emission.recipes import Inline, Recipe
from nnapi_check.lowering.packaging.annotations import Annotations, default_text
from nnapi_check.lowering.packaging.border import Border
from nnapi_check.lowering.packaging.constant_store import ConstantStore
from nnapi_check.lowering.packaging.graph_copy import (
    GraphCopy,
    PackageError,
    fill_method,
    key_of,
    refill_method,
    walk,
)
from nnapi_check.lowering.packaging.graph_surgery import Run, keep_results_apart, replace_run
from nnapi_check.lowering.packaging.guards import guard_source, refusal_source
from nnapi_check.lowering.packaging.manifest import SIZES, HeldValue, Json, Manifest, PartRecord
from nnapi_check.lowering.packaging.package_source import (
    NO_TENSORS,
    PREPARE_PART,
    REFUSE,
    OwnNames,
    Parameter,
    WrappedSize,
    buffers_source,
    bundled_inputs_source,
    part_forward_source,
    prepare_source,
    same_call_source,
    serialized_source,
    switches_source,
    wrapper_forward_source,
)
from nnapi_check.lowering.packaging.quantized_clamps import mend_clamps
from nnapi_check.lowering.packaging.recipe_torch import SourceWriter, check_declared, tensor_from_bytes
from nnapi_check.lowering.packaging.script_modules import (
    add_attribute,
    define,
    fold_plain_constants,
    has_attribute,
    named_type,
    new_module,
    type_of,
    wrapped,
)
from nnapi_check.lowering.packaging.shared_attributes import bring_attributes
from nnapi_check.lowering.packaging.shared_classes import retype_reads, with_shared_classes
from nnapi_check.lowering.packaging.stand_ins import StandIns
from nnapi_check.lowering.packaging.weight_access import WeightAccess, value_ids
from nnapi_check.lowering.packaging.whole_floats import write_as_products


@dataclass(frozen=True, slots=True)
class PackagedPart:
    """Nodes of one block of the captured graph, by id, and the NNAPI model that stands for them.

    ``inputs`` and ``outputs`` are in the order of the model's. ``serialized`` is the model in the loader's format,
    whose numbered buffers are ``buffers``. ``held`` says which operands hold which values, for later readers.
    """

    nodes: tuple[int, ...]
    inputs: tuple[Border, ...]
    outputs: tuple[Border, ...]
    serialized: bytes
    buffers: tuple[Recipe, ...]
    held: tuple[HeldValue, ...] = ()

    def __post_init__(self) -> None:
        if not self.nodes or not self.outputs:
            raise PackageError("a part has no nodes or no outputs")
        if len(self.serialized) % 4 != 0:
            raise PackageError(f"a part's model has {len(self.serialized)} bytes, wanted a multiple of 4")


@dataclass(frozen=True, slots=True)
class PackageOptions:
    """How NNAPI is to run the parts. ``is_relaxed`` lets it compute float32 with the precision of float16."""

    preference: Preference = Preference.SUSTAINED_SPEED
    is_relaxed: bool = False
    bundled_inputs: tuple[tuple[object, ...], ...] = ()
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Package:
    """A module that is ready to be saved, and what it tells about itself.

    ``recomputed`` are nodes of parts that the CPU computes as well, for TorchScript outside the graph reads them.
    """

    module: torch.jit.ScriptModule
    manifest: Manifest
    recomputed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SizedParts:
    """A module captured for inputs of other sizes, its parts, and what the package is to tell of them."""

    captured: Captured
    parts: Sequence[PackagedPart]
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Added:
    """What a package holds for inputs of certain sizes: methods of ``own`` names, and parts."""

    captured: Captured
    own: OwnNames
    parts: tuple[tuple[str, PackagedPart], ...]
    keeps: bool
    recomputed: tuple[int, ...]


def build_package(
    captured: Captured, parts: Sequence[PackagedPart], options: PackageOptions, others: Sequence[SizedParts] = ()
) -> Package:
    """Build the module of a package. With ``others`` it also runs in NNAPI for inputs of other sizes.

    What the captured module holds becomes part of it, or where it keeps a state the module itself, which then can be
    packaged only once. Of the others only what their parts need is taken, and what the module has already is stored
    once.
    """
    if method_names(captured.module) != ["forward"]:
        raise PackageError("the captured module is packaged already")
    read = [captured.original, captured.torch_graph, *(one.captured.torch_graph for one in others)]
    module = with_shared_classes(captured.module, read)
    annotations = Annotations()
    parameters = _parameters(module, annotations)
    store = ConstantStore(module, OwnNames(), by_content=bool(others))
    sizes = [SizedParts(captured, parts), *others]
    for one in others:
        bring_attributes(one.captured.torch_graph, one.captured.module, module, store)
    added = [_add_size(module, size, store, parameters, annotations, options) for size in sizes]
    # The graphs that were converted hold for their inputs' shapes alone.
    retype_reads(refill_method(module, "forward", captured.original), module)
    graphs = [module._get_method(name).graph for name in (*(one.own.forward for one in added), "forward")]
    for filled in graphs:
        keep_results_apart(filled)
        mend_clamps(filled)
    for filled in graphs:
        store.lift(filled)
        write_as_products(filled)
        torch._C._jit_pass_lint(filled)
    wrapper = _wrap(module, captured, parameters, added, annotations.types)
    manifest = Manifest(
        parts=tuple(
            PartRecord(name, part.inputs, part.outputs, part.nodes, part.held)
            for one in added
            for name, part in one.parts
        ),
        preference=options.preference,
        is_relaxed=options.is_relaxed,
        extra=dict(options.extra) | (_sizes_told(added, [options.extra, *(one.extra for one in others)])),
    )
    if options.bundled_inputs:
        _bundle(wrapper, module, options.bundled_inputs, annotations)
    return Package(wrapped(wrapper), manifest, added[0].recomputed)


def _sizes_told(added: Sequence[_Added], extras: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """What a package of several sizes tells of each: the types of its inputs, its parts, and ``extra``."""
    if len(added) == 1:
        return {}
    sizes: list[Json] = [
        {
            "inputs": [format_type(kind) for kind in one.captured.input_types],
            "parts": [name for name, _ in one.parts],
            "extra": dict(extra),
        }
        for one, extra in zip(added, extras, strict=True)
    ]
    return {SIZES: sizes}


def _add_size(
    module: torch._C.ScriptModule,
    size: SizedParts,
    store: ConstantStore,
    parameters: Sequence[Parameter],
    annotations: Annotations,
    options: PackageOptions,
) -> _Added:
    """Add the methods to a module that run its parts for inputs of some sizes."""
    captured, parts = size.captured, size.parts
    own = _own_names(module, len(parts))
    names = [own.part(index) for index in range(len(parts))]
    define(module, same_call_source(own.forward, parameters), annotations.types)
    copy = fill_method(module, own.forward, captured.torch_graph, captured.shared)
    retype_reads(copy.graph, module)
    keeps = _define_buffers(module, captured, copy, parts, store, own)
    recomputed = _place_parts(module, captured, copy, parts, names, options)
    if keeps:
        add_attribute(module, own.kept, named_type("Tensor[][]"), [])
    define(module, prepare_source(own, names, keeps=keeps))
    return _Added(captured, own, tuple(zip(names, parts, strict=True)), keeps, recomputed)


def _place_parts(
    module: torch._C.ScriptModule,
    captured: Captured,
    copy: GraphCopy,
    parts: Sequence[PackagedPart],
    names: Sequence[str],
    options: PackageOptions,
) -> tuple[int, ...]:
    """Put the parts in the place of their nodes. Gives the nodes that the CPU must still compute."""
    keys = {node: key_of(copy.nodes[key_of(captured.torch_nodes[node])]) for part in parts for node in part.nodes}
    outside = {
        key_of(copy.nodes[key_of(captured.torch_nodes[node.id])])
        for node in captured.calls
        if node.id not in keys and not node.is_constant and node.outputs
    } - {None}
    stand_ins = _stand_ins(captured, copy)
    stand_ins.fold_forms()
    for node in captured.calls:
        if not node.is_constant:
            # A constant waits for nothing: a part may read what is computed from it and give what its form is read of.
            for value in node.outputs:
                stand_ins.stand_in_for(copy.values[captured.torch_values[value].unique()])
    for name, part in zip(names, parts, strict=True):
        kind = _add_part(module, name, part, options)
        replace_run(copy, _run(captured, name, kind, part))
    given = {border.value for part in parts for border in part.outputs}
    inside = {copy.values[captured.torch_values[value].unique()].unique() for value in _made_in(captured, keys) - given}
    fold_plain_constants(copy.graph)
    if stand_ins.stand_in_in_tables(inside):
        fold_plain_constants(copy.graph)
    alive = {key_of(node): node for node in walk(copy.graph)}
    kept = tuple(id_ for id_, key in keys.items() if key in alive)
    for id_ in kept:
        for output in alive[keys[id_]].outputs():
            readers = [use.user.kind() for use in output.uses() if key_of(use.user) in outside]
            if readers:
                raise PackageError(f"%{output.debugName()} is no output of its part, but {readers[0]} reads it")
    return kept


def _made_in(captured: Captured, nodes: Collection[int]) -> set[int]:
    """The values that nodes give."""
    return {value for node in captured.calls if node.id in nodes for value in node.outputs}


def _stand_ins(captured: Captured, copy: GraphCopy) -> StandIns:
    kinds: dict[int, TensorType] = {}
    constants: set[int] = set()
    for number, value in value_ids(captured).items():
        found = captured.graph.values[value]
        copied = copy.values[number].unique()
        if found.is_constant:
            constants.add(copied)
        if isinstance(found.type, TensorType):
            kinds[copied] = found.type
    return StandIns(copy.graph, kinds, frozenset(constants))


def _run(captured: Captured, name: str, kind: torch._C.JitType, part: PackagedPart) -> Run:
    def numbers(borders: Sequence[Border]) -> tuple[int, ...]:
        return tuple(captured.torch_values[border.value].unique() for border in borders)

    nodes = tuple(key_of(captured.torch_nodes[node]) for node in part.nodes)
    return Run(name, kind, nodes, numbers(part.inputs), numbers(part.outputs))


def _add_part(
    module: torch._C.ScriptModule, name: str, part: PackagedPart, options: PackageOptions
) -> torch._C.JitType:
    made = new_module("NnapiPart")
    words = torch.frombuffer(bytearray(part.serialized), dtype=torch.int32)
    add_attribute(made, "serialized", named_type("Tensor"), words)
    add_attribute(made, "buffers", named_type("Tensor[]"), [])
    add_attribute(made, "compilation", named_type("__torch__.torch.classes._nnapi.Compilation?"), None)
    define(made, PREPARE_PART.format(preference=int(options.preference), relaxed=options.is_relaxed))
    define(made, part_forward_source(part.inputs, part.outputs))
    add_attribute(module, name, type_of(made), made)
    return type_of(made)


def _define_buffers(
    module: torch._C.ScriptModule,
    captured: Captured,
    copy: GraphCopy,
    parts: Sequence[PackagedPart],
    store: ConstantStore,
    own: OwnNames,
) -> bool:
    """Define the method that makes the buffers. Gives whether any is read out of packed parameters."""
    for part in parts:
        for recipe in part.buffers:
            check_declared(recipe, captured.graph)
    access = WeightAccess(captured, copy, store)
    inlined: dict[Inline, str] = {}

    def inline_source(inline: Inline) -> str:
        if inline not in inlined:
            inlined[inline] = store.attribute_of(tensor_from_bytes(inline.data, inline.dtype, inline.shape))
        return f"self.{inlined[inline]}"

    writer = SourceWriter(access.source, inline_source)
    written = [[writer.write(recipe) for recipe in part.buffers] for part in parts]
    if access.computed:
        define(module, NO_TENSORS.format(name=own.computed))
        access.fill_computed(module._get_method(own.computed).graph)
    define(module, buffers_source(own, writer.lines, written, has_computed=bool(access.computed)))
    return access.reads_packed


def _own_names(module: torch._C.ScriptModule, parts: int) -> OwnNames:
    """Names that no attribute of the module has."""
    number = 0
    while True:
        names = OwnNames(f"nnapi{number}" if number else "nnapi")
        fixed = (names.forward, names.prepare, names.buffers, names.computed, names.keep, names.kept)
        if not any(has_attribute(module, name) for name in (*fixed, *map(names.part, range(parts)))):
            return names
        number += 1


def _wrap(
    module: torch._C.ScriptModule,
    captured: Captured,
    parameters: Sequence[Parameter],
    added: Sequence[_Added],
    types: Mapping[str, torch._C.JitType],
) -> torch._C.ScriptModule:
    wrapper = new_module("Converted")
    add_attribute(wrapper, "model", type_of(module), module)
    sizes = [WrappedSize(one.own, f"_{place}" if place else "", one.keeps) for place, one in enumerate(added)]
    switches = (("training", False), ("nnapi_enabled", True), ("nnapi_failed", False))
    for switch, is_on in (*switches, *((size.ready, False) for size in sizes)):
        add_attribute(wrapper, switch, named_type("bool"), is_on)
    define(wrapper, switches_source([size.names for size in sizes]))
    define(wrapper, serialized_source([name for one in added for name, _ in one.parts]))
    annotations = [parameter.annotation for parameter in parameters]
    for size, one in zip(sizes, added, strict=True):
        define(wrapper, guard_source(size.matches, annotations, _examples(one.captured)), types)
    if captured.taken:
        layout = captured.input_layout
        define(wrapper, refusal_source(REFUSE, annotations, layout.arguments(captured.taken), layout.names), types)
    define(wrapper, wrapper_forward_source(sizes, parameters, refuses=bool(captured.taken)), types)
    return wrapper


def _arguments(module: torch._C.ScriptModule) -> Iterable[torch._C.Argument]:
    return module._get_method("forward").schema.arguments[1:]


def _parameters(module: torch._C.ScriptModule, annotations: Annotations) -> list[Parameter]:
    arguments = list(_arguments(module))
    names = source_names([argument.name for argument in arguments])
    return [
        Parameter(
            name,
            annotations.text(argument.type),
            default_text(argument.default_value) if argument.has_default_value() else None,
        )
        for name, argument in zip(names, arguments, strict=True)
    ]


def _examples(captured: Captured) -> tuple[object, ...]:
    """What stands for the inputs converted for: tensors of their types, in the lists and beside the defaults."""
    return captured.input_layout.arguments([empty_like_type(kind, device="meta") for kind in captured.input_types])


def _bundle(
    wrapper: torch._C.ScriptModule,
    module: torch._C.ScriptModule,
    rows: Sequence[tuple[object, ...]],
    annotations: Annotations,
) -> None:
    """Keep inputs in the module, where the benchmarks of PyTorch Mobile look for them."""
    kinds: list[torch._C.JitType | None] = [argument.type for argument in _arguments(module)]
    for row in rows:
        if len(row) != len(kinds):
            raise PackageError(f"a row of {len(row)} inputs is bundled, forward takes {len(kinds)}")
    add_attribute(wrapper, "bundled_inputs", torch.ListType(torch.TupleType(kinds)), list(rows))
    written = [parameter.annotation for parameter in _parameters(module, annotations)]
    define(wrapper, bundled_inputs_source(written), annotations.types)
