"""The table of rules, filled when ``lowering/rules`` is imported: one function for each way of each card."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader, RuleError

Rule = Callable[[NodeReader, Emitter], OperandId | Sequence[OperandId]]


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What lowering goes by: the rules by op and way, and the facts that models are held against."""

    rules: Mapping[tuple[str, str], Rule]
    facts: Mapping[str, OperationFacts]


_RULES: dict[tuple[str, str], Rule] = {}


def lowers(*ops: str, way: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule of one way of the cards of ``ops``.

    A rule reads the node's arguments, emits the operations that the way lists, and returns
    the operand of each of the node's outputs. It holds no condition: the card has decided that the way fits.
    """

    def register(rule: Rule) -> Rule:
        for op in ops:
            if (op, way) in _RULES:
                raise RuleError(f"{op}: two rules are registered for the way {way!r}")
            _RULES[op, way] = rule
        return rule

    return register


def rules(families: Iterable[str] | None = None) -> dict[tuple[str, str], Rule]:
    """The rules by op and way: those of some families of cards at least, or of all.

    Those of a family stand in the module of its name, which is imported when it is first asked for.
    """
    for family in _all_families() if families is None else families:
        importlib.import_module(f"nnapi_check.lowering.rules.{family}")
    return _RULES


@cache
def _all_families() -> tuple[str, ...]:
    package = importlib.import_module("nnapi_check.lowering.rules")
    return tuple(module.name for module in pkgutil.iter_modules(package.__path__))
