"""Putting calls of submodules in the place of runs of nodes in a TorchScript graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lowering.graph_copy import GraphCopy, PackageError, key_of
from lowering.stand_ins import StandIns

PART_PREFIX = "nnapi_part_"

_ORDERED_EFFECTS = frozenset(
    {
        "prim::Print",
        "prim::SetAttr",
        "prim::CallFunction",
        "prim::CallMethod",
        "prim::Enter",
        "prim::Exit",
        "prim::fork",
        "prim::awaitable",
        "aten::wait",
    }
)


@dataclass(frozen=True, slots=True)
class Run:
    """Nodes of one block that become one call of ``submodule``, given by the original graph's numbers.

    The submodule's ``forward`` takes the inputs and returns the outputs: one tensor, or a tuple of several.
    """

    submodule: str
    kind: torch._C.JitType
    nodes: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def replace_run(copy: GraphCopy, run: Run, stand_ins: StandIns) -> None:
    """Put a call in the place of a run. Nodes inside its span that read its results are moved behind the call."""
    inputs = [copy.values[number] for number in run.inputs]
    outputs = [copy.values[number] for number in run.outputs]
    for value in inputs:
        if not isinstance(value.type(), torch.TensorType):
            raise PackageError(f"{run.submodule}: input %{value.debugName()} is {value.type()}, wanted a tensor")
    members = {key_of(copy.nodes[number]) for number in run.nodes}
    order = list(copy.nodes[run.nodes[0]].owningBlock().nodes())
    places = [place for place, node in enumerate(order) if key_of(node) in members]
    if len(places) != len(members):
        raise PackageError(f"{run.submodule}: of {len(members)} nodes, {len(places)} lie in the first one's block")
    span = order[places[0] : places[-1] + 1]
    _make_room(run.submodule, span, members, {value.unique() for value in inputs})
    results = _insert_call(copy, run, span[-1], inputs, outputs)
    copy.values.update(zip(run.outputs, results, strict=True))
    for place in reversed(places):
        _remove(run.submodule, order[place], stand_ins)


def _make_room(submodule: str, span: Sequence[torch._C.Node], members: set[int], inputs: set[int]) -> None:
    """Move the nodes of a span that read what its members make behind the span's last node."""
    made: set[int] = set()
    late: list[torch._C.Node] = []
    has_late_effect = False
    for node in span:
        outputs = {output.unique() for output in node.outputs()}
        if key_of(node) in members:
            made |= outputs
        elif not _reads(node).isdisjoint(made):
            if not outputs.isdisjoint(inputs):
                raise PackageError(f"{submodule}: its input is computed by {node.kind()} from its own outputs")
            made |= outputs
            late.append(node)
            has_late_effect = has_late_effect or has_ordered_effect(node)
        elif has_late_effect and has_ordered_effect(node):
            raise PackageError(f"{submodule}: {node.kind()} cannot run before a node with effects that stood before it")
    anchor = span[-1]
    for node in late:
        node.moveAfter(anchor)
        anchor = node


def _reads(node: torch._C.Node) -> set[int]:
    """The numbers of all values that a node or what it holds reads."""
    found = {value.unique() for value in node.inputs()}
    for block in node.blocks():
        found.update(value.unique() for value in block.outputs())
        for inner in block.nodes():
            found |= _reads(inner)
    return found


def has_ordered_effect(node: torch._C.Node) -> bool:
    """Whether it matters when a node runs, apart from its inputs. Which of two errors comes first does not."""
    if any(has_ordered_effect(inner) for block in node.blocks() for inner in block.nodes()):
        return True
    if node.kind() in _ORDERED_EFFECTS:
        return not _is_part_call(node)
    schema = node.schema()
    return "::" in schema and torch._C.parse_schema(schema).is_mutable


def _is_part_call(node: torch._C.Node) -> bool:
    receiver = next(iter(node.inputs())).node()
    return receiver.kind() == "prim::GetAttr" and receiver.s("name").startswith(PART_PREFIX)


def _insert_call(
    copy: GraphCopy,
    run: Run,
    behind: torch._C.Node,
    inputs: Sequence[torch._C.Value],
    outputs: Sequence[torch._C.Value],
) -> list[torch._C.Value]:
    graph = copy.graph
    receiver = graph.create("prim::GetAttr", [copy.self_value], 1)
    receiver.s_("name", run.submodule)
    receiver.output().setType(run.kind)
    call = graph.create("prim::CallMethod", [receiver.output(), *inputs], 1)
    call.s_("name", "forward")
    receiver.insertAfter(behind)
    call.insertAfter(receiver)
    results = [call.output()]
    if len(outputs) > 1:
        call.output().setType(torch._C.TupleType([torch._C.TensorType.get()] * len(outputs)))
        unpack = graph.create("prim::TupleUnpack", [call.output()], len(outputs))
        unpack.insertAfter(call)
        results = list(unpack.outputs())
    for old, new in zip(outputs, results, strict=True):
        new.setType(torch._C.TensorType.get())
        old.replaceAllUsesWith(new)
    return results


def _remove(submodule: str, node: torch._C.Node, stand_ins: StandIns) -> None:
    """Destroy a member, with what only it kept alive. Who reads no more than its result's form gets a stand-in."""
    for output in node.outputs():
        _destroy_dead_readers(output)
        readers = [use.user for use in output.uses()]
        if not readers:
            continue
        for reader in readers:
            if not stand_ins.reads_form_only(reader):
                raise PackageError(
                    f"{submodule}: %{output.debugName()} is no output of the part, but {reader.kind()} reads it"
                )
        output.replaceAllUsesWith(stand_ins.insert(output, node))
    node.destroy()


def _destroy_dead_readers(value: torch._C.Value) -> None:
    for use in list(value.uses()):
        reader = use.user
        if reader.kind() == "prim::Return" or list(reader.blocks()) or has_ordered_effect(reader):
            continue
        if not reader.outputsSize():
            continue
        for output in reader.outputs():
            _destroy_dead_readers(output)
        if not any(output.uses() for output in reader.outputs()):
            reader.destroy()
