"""Whether what a module keeps is set in its first run for good, whatever the elements of its inputs are.

Grids of places and sizes of photos are often computed once. A trace of the first run computes them again in every run
of what is converted, and may not be told from one that holds what belongs to its inputs alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from torch import nn

from nnapi_check.analyzer.files.kept_state import KeptState
from nnapi_check.analyzer.files.second_run import run_again
from nnapi_check.analyzer.files.value_reads import gives_alike
from nnapi_check.analyzer.inputs.other_elements import other_inputs

_TRIED = 2
"""How many inputs with other elements are tried."""


def settles(model: nn.Module, called: nn.Module, inputs: Sequence[object], before: KeptState) -> bool:
    """Whether a run changes what ``model`` keeps once only, to what inputs with other elements would change it to.

    ``called`` is what takes the inputs, and ``before`` what was kept before any run. A module that settles holds
    afterwards what it settled on, and any other what it held when this was asked.
    """
    now = KeptState(model)
    try:
        if before.put_back():
            first = run_again(called, inputs)
            settled = KeptState(model)
            if _stays(called, inputs, settled, first):
                for others in islice(other_inputs(inputs), _TRIED):
                    if before.put_back() and _runs(called, others) and settled.changed() is None:
                        # These elements set the same.
                        settled.restore()
                        return True
    except Exception:  # noqa: BLE001, S110 - a user's model may fail in any way where its state is another
        pass
    now.put_back()
    return False


def _stays(called: nn.Module, inputs: Sequence[object], settled: KeptState, first: object) -> bool:
    """Whether further runs, with these elements and with others, change nothing, and give the same for the same."""
    settled.restore()
    if not gives_alike(run_again(called, inputs), first) or settled.changed() is not None:
        return False
    tried = [settled.changed() is None for others in islice(other_inputs(inputs), _TRIED) if _runs(called, others)]
    return bool(tried) and all(tried)


def _runs(called: nn.Module, inputs: Sequence[object]) -> bool:
    try:
        run_again(called, inputs)
    except Exception:  # noqa: BLE001 - a user's model may refuse such values in any way
        return False
    return True
