"""How far PyTorch's own numbers of a model move by what its package is allowed: measured when first asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.graph import Graph
from nnapi_check.analyzer.inputs.arguments import Call
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.verification.approximation import MARGIN, Approximation, Cause
from nnapi_check.lowering.verification.jumps import jumps_of_outputs
from nnapi_check.lowering.verification.sensitivity import NO_MOVEMENT, MovedRun, Movement, moved_runs, movement
from nnapi_check.lowering.verification.subject import Subject


class OwnMovement:
    """How far PyTorch's own outputs and inner values move: by bounds alone, and where asked for by rounding too."""

    def __init__(
        self,
        subject: Subject,
        model: Path | torch.nn.Module,
        call: Call,
        approximate: Sequence[Approximation],
        *,
        trust: bool,
    ) -> None:
        self._model, self._call, self._approximate, self._trust = model, call, approximate, trust
        records = [part.record for part in subject.parts if part.record is not None]
        self._values = [border.value for record in records for border in record.outputs]
        self._values += [held.value for record in records for held in record.held]
        self._read = [border.value for record in records for border in record.inputs]
        self._watched: Sequence[int] = ()
        self._of_bounds: Movement | None = None
        self._of_rounding: Movement | None = None
        self._graph: Graph | None = None

    def look_inside(self) -> None:
        """Measure the values inside from now on, of which a model has many, and not its outputs alone."""
        if self._watched != self._values:
            self._watched, self._of_bounds, self._of_rounding = self._values, None, None

    def of_bounds(self) -> Movement:
        """By the bounds of approximate ops."""
        if self._of_bounds is None:
            approximate = [item for item in self._approximate if item.cause is Cause.BOUND]
            self._of_bounds = self._measured(approximate, []) if approximate else NO_MOVEMENT
        return self._of_bounds

    def of_rounding(self) -> Movement:
        """By these, by one rounding of every value that NNAPI computes or is given, and by the order of equals."""
        if self._of_rounding is None:
            self._of_rounding = self._measured(self._approximate, [*self._values, *self._read])
        return self._of_rounding

    def jumps(self, count: int) -> tuple[frozenset[str], ...]:
        """The ops on the way to each of so many outputs of which their cards say that they jump."""
        graph = self._captured().graph if self._graph is None else self._graph
        return jumps_of_outputs(graph, open_registry(), count)

    def own_outputs(self) -> tuple[tuple[torch.Tensor, ...], ...]:
        """What PyTorch's own outputs are where it rounds otherwise, and as far as is allowed.

        Numbers that may be off by so much may stand in every order that these bring about.
        """
        return (*self.of_rounding().draws, *(run.outputs for run in self._moved((), MARGIN)))

    def own_values(self, values: Sequence[int]) -> tuple[Mapping[int, torch.Tensor], ...]:
        """What PyTorch's own ``values``, by id, are where it rounds otherwise, and as far as is allowed."""
        return tuple(run.values for times in (1, MARGIN) for run in self._moved(values, times))

    def _moved(self, values: Sequence[int], times: int) -> list[MovedRun]:
        """The runs in which everything is moved so many times as far as one rounding and one bound do."""
        captured = self._captured()
        rounded = [*self._values, *self._read]
        runs = moved_runs(captured, self._approximate, captured.example_inputs, values, rounded=rounded, times=times)
        return list(runs)[1:]

    def _captured(self) -> Captured:
        """The model captured anew, for a run may write to what it holds."""
        captured = capture(self._model, self._call, weights=True, trust=self._trust)
        self._graph = captured.graph
        return captured

    def _measured(self, approximate: Sequence[Approximation], rounded: Sequence[int]) -> Movement:
        captured = self._captured()
        return movement(captured, approximate, captured.example_inputs, self._watched, rounded=rounded)
