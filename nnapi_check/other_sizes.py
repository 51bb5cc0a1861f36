"""What a converted file gives at a size that it was not converted for, next to what its model gives there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnapi_check.analyzer.capture.capture import Model
from nnapi_check.analyzer.graph import TensorType
from nnapi_check.analyzer.inputs.arguments import Call
from nnapi_check.analyzer.inputs.sizes import another_size, resized_call
from nnapi_check.analyzer.inputs.specification import format_type
from nnapi_check.coverage_db.targets import PYTORCH_MOBILE
from nnapi_check.lowering.plan_lowering import FactsByName
from nnapi_check.lowering.verification.elsewhere import Elsewhere, compare_elsewhere
from nnapi_check.pipeline import Checked


@dataclass(frozen=True, slots=True)
class OtherCall:
    """A call of inputs that nothing was converted for: of the converted file, and of the model."""

    types: tuple[TensorType, ...]
    arguments: tuple[object, ...]
    reference: Call

    @property
    def said(self) -> str:
        """The types, in words."""
        return ", ".join(map(format_type, self.types))


def other_call(checks: Sequence[Checked]) -> OtherCall | None:
    """A call at another size than the model was checked at, where it takes one."""
    captured = checks[0].captured
    used = [checked.captured.input_types for checked in checks]
    types = another_size(captured.input_layout.names, captured.input_types, captured.taken, used)
    if types is None:
        return None
    arguments = resized_call(Call(captured.example_arguments), types).positional
    return OtherCall(types, arguments, resized_call(captured.reference_call, types))


def compared_elsewhere(checks: Sequence[Checked], draft: Path, model: Model, *, trust: bool) -> Elsewhere | None:
    """What a converted file gives at a size that it was not converted for; None where the model takes no other."""
    other = other_call(checks) if checks[0].survey.target.name == PYTORCH_MOBILE else None
    if other is None:
        return None
    return compare_elsewhere(
        draft,
        model,
        other.arguments,
        other.reference,
        other.said,
        level=checks[0].plan.level,
        facts=FactsByName(checks[0].registry),
        trust=trust,
    )
