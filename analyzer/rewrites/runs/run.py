"""A run of reshapes and permutations, each the only reader of the one before, and what they do to the elements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nnapi_check.analyzer.graph import Argument, Node, Ref
from nnapi_check.analyzer.rewrites.rewrite import Match, Surroundings, in_place_of_last
from nnapi_check.analyzer.rewrites.runs.moving_nodes import Move, move_of
from nnapi_check.analyzer.rewrites.runs.one_permutation import Rearrangement, RearrangementTracker

LONGEST_RUN = 8


@dataclass(frozen=True, slots=True)
class Run:
    """Moves of the elements of a tensor of ``shape``; ``done`` is what they do up to each, ``tracker`` is at the last.

    There is at least one.
    """

    shape: tuple[int, ...]
    moves: tuple[Move, ...]
    done: tuple[Rearrangement, ...]
    tracker: RearrangementTracker

    @property
    def result(self) -> int:
        """The value that the last move makes."""
        return self.moves[-1].result

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes of all moves."""
        return tuple(move.node for move in self.moves)

    def match(self, count: int, op: str, arguments: Mapping[str, Argument]) -> Match:
        """One node of ``op`` in the place of the first ``count`` moves."""
        whole = {"self": Ref(self.moves[0].source), **arguments}
        return in_place_of_last(op, whole, self.nodes[:count])


def run_from(first: Node, around: Surroundings) -> Run | None:
    """The moves from ``first`` on, as far as they are one rearrangement; None where ``first`` is no move."""
    move = move_of(first, around)
    if move is None:
        return None
    shape = around.shape(move.source)
    tracker = RearrangementTracker(shape)
    moves: list[Move] = []
    done: list[Rearrangement] = []
    while move is not None and len(moves) < LONGEST_RUN and _follow(tracker, move):
        moves.append(move)
        done.append(tracker.found())
        following = around.only_reader(move.result)
        move = None if following is None else move_of(following, around)
    return Run(shape, tuple(moves), tuple(done), tracker) if moves else None


def _follow(tracker: RearrangementTracker, move: Move) -> bool:
    """Let the tracker take a move; False where it cannot."""
    if move.order is not None:
        tracker.permute(move.order)
        return True
    return tracker.reshape(move.shape)
