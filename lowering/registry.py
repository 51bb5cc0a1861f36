"""The table of rules, filled when ``lowering/rules`` is imported: one function for each way of each card."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence

from analyzer.graph import Node
from lowering.draft import OperandId
from lowering.emitter import Emitter, RuleError

Rule = Callable[[Node, Emitter], OperandId | Sequence[OperandId]]

_RULES: dict[tuple[str, str], Rule] = {}


def lowers(*ops: str, way: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule of one way of the cards of ``ops``.

    A rule reads the node's arguments through the emitter, emits the operations that the way lists, and returns
    the operand of each of the node's outputs. It holds no condition: the card has decided that the way fits.
    """

    def register(rule: Rule) -> Rule:
        for op in ops:
            if (op, way) in _RULES:
                raise RuleError(f"{op}: two rules are registered for the way {way!r}")
            _RULES[op, way] = rule
        return rule

    return register


def rules() -> dict[tuple[str, str], Rule]:
    """Every rule by op and way. The first call imports all of ``lowering.rules``."""
    package = importlib.import_module("lowering.rules")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"lowering.rules.{module.name}")
    return _RULES
