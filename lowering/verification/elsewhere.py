"""Whether a converted file computes what PyTorch computes for inputs of a size that it was not converted for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.inputs.arguments import Call
from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.lowering.nnapi.host_runtime.errors import HostRuntimeError
from nnapi_check.lowering.verification.comparison import compare
from nnapi_check.lowering.verification.reference import reference_outputs
from nnapi_check.lowering.verification.subject import VerifyError, open_subject


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What came of a run at another size, and whether it gave PyTorch's numbers."""

    said: str
    is_within_tolerance: bool


def compare_elsewhere(
    path: Path,
    model: Path | torch.nn.Module,
    arguments: Sequence[object],
    reference: Call,
    types: str,
    *,
    level: int,
    facts: Mapping[str, OperationFacts],
    trust: bool,
) -> Elsewhere | None:
    """Run a file and its model at a size, which ``types`` tells, that nothing was converted for.

    None where the model itself fails there, or where the file cannot run.
    """
    try:
        wanted = reference_outputs(model, reference, trust=trust)
        ran = open_subject(path, facts, trust=trust).run(arguments, level, facts)
    except VerifyError as error:
        return Elsewhere(f"At {types}, which nothing is converted for, the file fails: {error}", False)
    except (InputError, HostRuntimeError):
        return None
    numbers = [compare(ours, theirs) for ours, theirs in zip(ran.outputs, wanted, strict=False)]
    is_good = len(ran.outputs) == len(wanted) and all(found.is_within_tolerance for found in numbers)
    is_good = is_good and ran.executions == 0
    worst = max((found.max_relative for found in numbers), default=0.0)
    where = "on the CPU" if ran.executions == 0 else "on NNAPI, which it must not"
    words = "PyTorch's numbers" if is_good else f"numbers that are {worst:.2e} off PyTorch's"
    return Elsewhere(f"At {types}, which nothing is converted for, the file runs {where} and gives {words}.", is_good)
