"""Places of a dimension that only a run knows, and which may count from its end."""

from __future__ import annotations

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.tensor_spec import TensorSpec


def counted_places(emit: Emitter, places: OperandId, size: int) -> OperandId:
    """Places from 0 on, by LESS, ADD and SELECT: those below 0 count from the end of a dimension of this size."""
    spec = emit.spec(places)
    negative = emit.operation("LESS", [places, emit.number(0, places)], _truths(spec))
    counted = emit.operation("ADD", [places, emit.number(size, places), emit.fuse()], spec)
    return emit.operation("SELECT", [negative, counted, places], spec)


def replaced_place(emit: Emitter, place: OperandId, size: int) -> OperandId:
    """Where each place of a dimension comes from, by EQUAL and SELECT: itself, or for ``place`` the one behind all."""
    every, behind = emit.int32_tensor(range(size)), emit.int32_tensor([size] * size)
    is_meant = emit.operation("EQUAL", [every, place], _truths(emit.spec(every)))
    return emit.operation("SELECT", [is_meant, behind, every], emit.spec(every))


def _truths(spec: TensorSpec) -> TensorSpec:
    return TensorSpec(OperandType.TENSOR_BOOL8, spec.shape)
