"""How a model file, or a live module, is opened as a TorchScript module."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from nnapi_check.analyzer.errors import InputError, UntraceableError
from nnapi_check.analyzer.files.bundled_inputs import read_bundled_inputs
from nnapi_check.analyzer.files.file_kind import FileKind, kind_of, refuse_pickle
from nnapi_check.analyzer.files.gpu_names import moved_script, without_gpus
from nnapi_check.analyzer.files.kept_state import KeptState, constants_copied
from nnapi_check.analyzer.files.large_blocks import large_blocks_apart
from nnapi_check.analyzer.files.left_ops import leave_out_calls
from nnapi_check.analyzer.files.live_models import as_written, refuse_without_numbers, unwrapped
from nnapi_check.analyzer.files.missing_ops.stand_ins import StandIns
from nnapi_check.analyzer.files.program_file import module_of, read_program
from nnapi_check.analyzer.files.program_shapes import shapes_kept
from nnapi_check.analyzer.files.program_sizes import write_sized_calls
from nnapi_check.analyzer.files.program_sources import ProgramSource, program_sources
from nnapi_check.analyzer.files.script_file import LOAD_FAILURES, first_line, read_script
from nnapi_check.analyzer.files.second_run import first_run
from nnapi_check.analyzer.files.settled_state import settles
from nnapi_check.analyzer.files.tracing import Prepared, positional_names, prepare, without_tensors
from nnapi_check.analyzer.files.unseen_writes import unseen_views_watched
from nnapi_check.analyzer.files.value_reads import holds_for_other_values, tracer_warnings, value_reads
from nnapi_check.analyzer.inputs.arguments import Call, cloned, leaves
from nnapi_check.analyzer.inputs.taken_shapes import TakenShape, shapes_in_order
from nnapi_check.analyzer.ops.scale_faults import traced_scale_fault
from nnapi_check.analyzer.torchscript import in_evaluation_mode, trace

_SHOWN_PLACES = 3


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A TorchScript module, with the example inputs that were stored with it or that it was traced with, if any.

    ``reference`` is how the model itself is called, where that is otherwise than the module, and ``notes`` what a user
    should know of how it was opened. ``sources`` are what exported programs tell of the lines that were traced, and
    ``taken`` the shapes that the module takes of its tensors, in order, where that is known.
    """

    name: str
    module: torch.jit.ScriptModule
    stored: Call | None
    is_traced: bool = False
    reference: Call | None = None
    notes: tuple[str, ...] = ()
    sources: Mapping[str, ProgramSource] = field(default_factory=dict)
    taken: tuple[TakenShape, ...] = ()


def open_model(
    model: Path | torch.nn.Module, call: Call | None, *, weights: bool, trust: bool, stands_in: bool = False
) -> OpenedModel:
    """Open a file or a live module; ``call`` is needed to trace a module that is not TorchScript yet.

    With ``stands_in``, ops that a file calls and nothing has registered are defined by these calls, for the life of
    the process.
    """
    if isinstance(model, torch.nn.Module):
        model = unwrapped(model)
        return _open_module(model, call, _name_of(model))
    match kind_of(model):
        case FileKind.TORCHSCRIPT:
            return _open_script(model, weights=weights, trust=trust, stands_in=stands_in)
        case FileKind.EXPORTED_PROGRAM:
            return _open_exported(model, call, trust=trust, stands_in=stands_in)
        case FileKind.PICKLED_MODULE:
            return _open_pickle(model, call, trust=trust)


def _name_of(model: torch.nn.Module) -> str:
    name = getattr(model, "original_name", None)
    return name if isinstance(name, str) else type(model).__name__


def _open_module(model: torch.nn.Module, call: Call | None, name: str, keywords: Collection[str] = ()) -> OpenedModel:
    if isinstance(model, torch.jit.ScriptModule):
        return _with_inputs(name, moved_script(model), None)
    if call is None:
        raise InputError(without_tensors(name, ()))
    refuse_without_numbers(model, name)
    traced = prepare(model, call, name, keywords)
    program = shapes_kept(model)
    taken = (
        () if program is None else shapes_in_order(program.call, traced.reference, positional_names(model, keywords))
    )
    with as_written(model):
        state = KeptState(model)
        try:
            with large_blocks_apart():
                module, notes = without_gpus(lambda: _traced(model, traced, name, state))
        finally:
            state.restore()
    if taken and program is not None and program.lost:
        taken, notes = _own_shapes(traced.arguments), (*notes, _LOST_NOTE.format(name, program.lost))
    return OpenedModel(
        name,
        module,
        Call(traced.arguments),
        is_traced=True,
        reference=traced.reference,
        notes=notes,
        sources=program_sources(model),
        taken=taken,
    )


def _traced(
    model: torch.nn.Module, prepared: Prepared, name: str, state: KeptState, *, may_settle: bool = True
) -> tuple[torch.jit.ScriptModule, tuple[str, ...]]:
    """The trace, and what a user should know of it."""
    try:
        with in_evaluation_mode(model):
            # A model may write to its inputs, which are the user's.
            def once() -> torch.jit.ScriptModule:
                return trace(prepared.module, cloned(Call(prepared.arguments)).positional)

            with constants_copied(), tracer_warnings(model) as told, unseen_views_watched() as views:
                with first_run(prepared.module) as first:
                    module = once()
                write_sized_calls(prepared.module, module._c)
            if views.are_written and not holds_for_other_values(prepared.module, module, prepared.arguments):
                raise UntraceableError(_UNSEEN_WRITE.format(name))
            kept = state.changed()
            if kept is not None and may_settle and settles(model, prepared.module, prepared.arguments, state):
                return _traced(model, prepared, name, KeptState(model), may_settle=False)
            state.restore()
            if kept is not None and not holds_for_other_values(prepared.module, module, prepared.arguments):
                raise UntraceableError(_KEPT_STATE.format(name, kept))
            called = prepared.module, prepared.arguments
            if not first.is_repeated(*called):
                with constants_copied(), tracer_warnings(model):
                    is_of_tracing = first.is_of_tracing(*called, once, state.restore)
                raise UntraceableError((_TRACED_OTHERWISE if is_of_tracing else _OTHER_NUMBERS).format(name))
            reads = (*value_reads(prepared.module, prepared.arguments), *told.whole) if told.may_read else ()
            if not reads or holds_for_other_values(prepared.module, module, prepared.arguments):
                return module, tuple(_READS_NOTE.format(place) for place in reads)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # A model's own code may fail in any way.
        if prepared.gives_objects(model):
            module, notes = _traced(model, prepared.of_tensors(), name, state)
            return module, (*notes, _TENSORS_NOTE.format(name))
        fault = traced_scale_fault(error)
        if fault is not None:
            raise InputError(f"{name} cannot be traced, for {fault}.") from error
        raise InputError(_trace_failure(name, first_line(error))) from error
    raise _read_values(name, reads)


def _trace_failure(name: str, words: str) -> str:
    if any(said in words for said in _OF_NO_OUTPUT):
        return f"{name} gives nothing that it computes; a model gives tensors that follow from its inputs."
    if any(said in words for said in _OF_COMPILED):
        return (
            f"{name} calls what only torch.compile and torch.export can follow, such as torch.cond; "
            "write that part in Python's own if and for, and script it (torch.jit.script)."
        )
    if _OF_PYTORCH in words:
        return (
            f"PyTorch's tracer fails on {name} by a fault of its own: {words}; hand over what "
            "torch.export.export(model, inputs).run_decompositions() gives."
        )
    return (
        f"{name} cannot be traced with inputs of these shapes: {words}; "
        "pass inputs that the model accepts, or a scripted module (torch.jit.script)."
    )


def _own_shapes(arguments: Sequence[object]) -> tuple[TakenShape, ...]:
    """The shapes of a call's tensors, and no others."""
    return tuple(TakenShape(tuple(leaf.shape)) for leaf in leaves(arguments) if isinstance(leaf, torch.Tensor))


_OF_NO_OUTPUT = ("outputs_[i]->uses().empty()", "didn't return any values")
_OF_PYTORCH = "INTERNAL ASSERT FAILED"
_OF_COMPILED = ("dynamo-optimized", "HigherOrderOperator")
"""What PyTorch's tracer says of such models."""

_LOST_NOTE = (
    "{} computes {}, which no trace can follow. What is converted takes these sizes alone, and refuses all others."
)

_TENSORS_NOTE = (
    "{} gives more than tensors, such as None or objects. A converted model gives its tensors alone, in order."
)

_UNSEEN_WRITE = (
    "{} overwrites a tensor in place that it also reads as another view, such as torch.atleast_2d or a torch.einsum of "
    "one tensor gives; TorchScript does not know that the two are one, and a trace computes other numbers than the "
    "model. Write what is not in place there, such as x = x * 2 for x.mul_(2)."
)

_KEPT_STATE = (
    "{} changes its attribute {} in each run and gives other numbers in the next; a trace holds what one run "
    "computed. Take the state as an input of forward and give the new one back as an output."
)

_TRACED_OTHERWISE = (
    "{} gives other numbers while it is traced than when it is run: sizes are tensors then, and what is computed of "
    "them is rounded otherwise, so that nearly equal items may change their places. Script it (torch.jit.script), or "
    "trace it yourself and hand that over, if what the trace gives is what you want."
)
_OTHER_NUMBERS = (
    "{} gives other numbers when it is run again with the same inputs; a trace holds what one run computed. Take what "
    "is kept from run to run as an input of forward and give the new one back as an output, and draw random numbers by "
    "PyTorch's functions, not by Python's or NumPy's."
)

_READS_NOTE = (
    "{} reads values of the inputs while the model is traced. The trace gave the same numbers as the model for other "
    "values that were tried; where they decide what is computed, script that part (torch.jit.script)."
)


_STAND_INS_NOTE = (
    "This PyTorch does not have {}: {}. To convert the model, import their library (--import MODULE), or for ops of "
    "PyTorch itself use a newer one."
)
_TOLD_RESULTS = "what they give is told by the file alone, and they stay with PyTorch"
_UNTOLD_RESULTS = (
    "the file does not tell what they give, so it is taken for tensors of unknown shapes, and they stay with PyTorch "
    "as does what needs those shapes"
)


def _read_values(name: str, places: Sequence[str]) -> UntraceableError:
    shown = ", ".join(places[:_SHOWN_PLACES]) + (" and elsewhere" if len(places) > _SHOWN_PLACES else "")
    return UntraceableError(
        f"{name} takes numbers out of its inputs' values, or decides by them, at {shown}: traced, it is right for the "
        "example inputs only. Script that part (torch.jit.script), or compute with tensors in place of numbers. If "
        "these values never change, let the model hold them: wrap it in a module that passes them, as torch.tensor(5)."
    )


def _open_script(path: Path, *, weights: bool, trust: bool, stands_in: bool) -> OpenedModel:
    found = read_script(path, weights=weights, trust=trust, stands_in=stands_in)
    return _with_note(_with_inputs(path.stem, found.module, found.traced), found.stand_ins, _UNTOLD_RESULTS)


def _with_inputs(name: str, module: torch.jit.ScriptModule, stored: Call | None) -> OpenedModel:
    first = read_bundled_inputs(module._c) if stored is None else None
    return OpenedModel(name, module, stored if first is None else Call(first))


def _open_exported(path: Path, call: Call | None, *, trust: bool, stands_in: bool) -> OpenedModel:
    loaded = read_program(path, trust=trust, stands_in=stands_in)
    program = loaded.program
    module = module_of(program, path)
    if loaded.stand_ins is not None:
        loaded.stand_ins.learn(module)
    if not trust or loaded.stand_ins is not None:
        leave_out_calls(module)
    arguments, keywords = program.example_inputs if program.example_inputs is not None else ((), {})
    if call is None and program.example_inputs is None:
        raise InputError(f"{path} holds no example inputs; give them with --input.")
    with warnings.catch_warnings():
        # The guards of an exported program look at shapes; there is nothing in that for a user to mend.
        warnings.simplefilter("ignore")
        opened = _open_module(module, call or Call(tuple(arguments), dict(keywords)), path.stem, tuple(keywords))
    return _with_note(opened, loaded.stand_ins, _TOLD_RESULTS)


def _with_note(opened: OpenedModel, stand_ins: StandIns | None, results: str) -> OpenedModel:
    """A model with a note of the ops in it that nothing has registered, if any."""
    if stand_ins is None:
        return opened
    return replace(opened, notes=(*opened.notes, _STAND_INS_NOTE.format(", ".join(stand_ins.names), results)))


def _open_pickle(path: Path, call: Call | None, *, trust: bool) -> OpenedModel:
    if not trust:
        raise refuse_pickle(path)
    return _open_module(unwrapped(unpickled(path)), call, path.stem)


def unpickled(path: Path) -> torch.nn.Module:
    """The module in a pickle. This runs code of the file's maker."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=False)
    except (pickle.UnpicklingError, zipfile.BadZipFile, *LOAD_FAILURES) as error:
        raise InputError(
            f"{path} cannot be unpickled: {first_line(error)}; import the model's classes, or save it as TorchScript."
        ) from error
    if not isinstance(found, torch.nn.Module):
        raise refuse_pickle(path)
    return found
