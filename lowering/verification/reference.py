"""What PyTorch itself computes: the outputs of the user's own model, and the values inside its graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch

from nnapi_check.analyzer.capture.capture import Captured
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.files.file_kind import FileKind, kind_of
from nnapi_check.analyzer.files.gpu_names import moved_script, without_gpus
from nnapi_check.analyzer.files.kept_state import KeptState, with_same_state
from nnapi_check.analyzer.files.live_models import as_written, unwrapped
from nnapi_check.analyzer.files.program_file import module_of, read_program
from nnapi_check.analyzer.files.script_file import read_script
from nnapi_check.analyzer.inputs.arguments import Call, cloned
from nnapi_check.analyzer.random_numbers import same_random_numbers
from nnapi_check.analyzer.tensor_types import flat_tensors
from nnapi_check.analyzer.torchscript import quiet
from nnapi_check.lowering.packaging.graph_copy import walk
from nnapi_check.lowering.packaging.quantized_clamps import clamps_mended, mend_clamps


def reference_outputs(
    model: Path | torch.nn.Module, inputs: Sequence[object] | Call, *, trust: bool = False
) -> tuple[torch.Tensor, ...]:
    """Every tensor that the model gives for these arguments, in order. A file is loaded anew, by PyTorch alone."""
    return reference_runs(model, inputs, 1, trust=trust)[0]


def reference_runs(
    model: Path | torch.nn.Module, inputs: Sequence[object] | Call, runs: int, *, trust: bool = False
) -> list[tuple[torch.Tensor, ...]]:
    """The same of so many runs, one after another. What a live model keeps in tensors is afterwards as it was."""
    given = inputs if isinstance(inputs, Call) else Call(tuple(inputs))
    module = _loaded(model, trust=trust) if isinstance(model, Path) else unwrapped(model)
    if isinstance(module, torch.jit.ScriptModule):
        module = moved_script(module)

    def run() -> object:
        call = cloned(given)
        return module(*call.positional, **call.named)

    state = KeptState(module)
    # An exported module refuses eval(), so the modes are set one by one; a frozen module has none any more.
    modes = {part: part.training for part in module.modules() if hasattr(part, "training")}
    try:
        for part in modes:
            part.training = False
        found: list[tuple[torch.Tensor, ...]] = []
        for _ in range(runs):
            with quiet(), as_written(module), torch.no_grad(), clamps_mended(module), same_random_numbers():
                # What a run gives may be what the next one writes to.
                found.append(tuple(tensor.clone() for tensor in flat_tensors(without_gpus(run))))
        return found
    except MemoryError:
        raise
    except Exception as error:  # A model's own code may fail in any way.
        last = next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
        raise InputError(f"The model itself fails on its inputs in PyTorch: {last.strip()}") from error
    finally:
        state.restore()
        for part, was_training in modes.items():
            part.training = was_training


def _loaded(path: Path, *, trust: bool) -> torch.nn.Module:
    with quiet():
        if kind_of(path) is FileKind.EXPORTED_PROGRAM:
            return module_of(read_program(path, trust=trust).program, path)
        return read_script(path, weights=True, trust=trust).module


def graph_values(
    captured: Captured, values: Collection[int], inputs: Sequence[torch.Tensor]
) -> Mapping[int, torch.Tensor]:
    """What PyTorch computes for values of the captured graph, by value id. Those inside control flow are left out."""
    graph = captured.torch_graph.copy()
    twins = twins_of(captured, graph)
    wanted = [value for value in sorted(set(values)) if value in twins]
    for _ in list(graph.outputs()):
        graph.eraseOutput(0)
    # TorchScript takes functions with one output only.
    together = graph.create("prim::TupleConstruct", [twins[value] for value in wanted], 1)
    together.output().setType(torch._C.TupleType([twins[value].type() for value in wanted]))
    graph.appendNode(together)
    graph.registerOutput(together.output())
    torch._C._jit_pass_dce(graph)
    mend_clamps(graph)
    function = torch._C._create_function_from_graph("forward", graph)
    with quiet(), torch.no_grad(), same_random_numbers():
        arguments = captured.input_layout.arguments([tensor.clone() for tensor in inputs])
        found = with_same_state(captured.module, lambda: function(captured.module, *arguments))
    return dict(zip(wanted, flat_tensors(found), strict=True))


def twins_of(captured: Captured, copy: torch._C.Graph) -> dict[int, torch._C.Value]:
    """The value of a copy of the captured graph that stands for each tensor at its top, by value id."""
    return {value: twin for value, twin in all_twins_of(captured, copy).items() if is_at_top(twin)}


def all_twins_of(captured: Captured, copy: torch._C.Graph) -> dict[int, torch._C.Value]:
    """The same of each tensor, those inside branches and loops as well. The turns of a loop have one twin."""
    pairs = {value.unique(): twin for value, twin in zip(captured.torch_graph.inputs(), copy.inputs(), strict=True)}
    for node, other in zip(walk(captured.torch_graph), walk(copy), strict=True):
        pairs.update((a.unique(), b) for a, b in zip(node.outputs(), other.outputs(), strict=True))
        for block, twin in zip(node.blocks(), other.blocks(), strict=True):
            pairs.update((a.unique(), b) for a, b in zip(block.inputs(), twin.inputs(), strict=True))
    return {
        value: pairs[torch_value.unique()]
        for value, torch_value in enumerate(captured.torch_values)
        if torch_value.unique() in pairs and isinstance(torch_value.type(), torch.TensorType)
    }


def is_at_top(value: torch._C.Value) -> bool:
    """Whether a value lies in no branch and no loop."""
    # PyTorch's stubs do not say that the outermost block has no owner.
    owner: torch._C.Node | None = value.node().owningBlock().owningNode()
    return owner is None
