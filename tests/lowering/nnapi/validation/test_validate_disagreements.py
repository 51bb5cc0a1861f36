"""Where specification, Android's validators and tests disagree, the validator follows the decision."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.lowering.nnapi.model import Model
from nnapi_check.lowering.nnapi.validation.validate import validate
from tests.lowering.nnapi.disagreement_models import DECIDED, Verdict

FACTS = load_operations()

FACTS_FOLDER = os.environ.get("NNAPI_FACTS")

CASES = [(name, number) for name, cases in DECIDED.items() for number in range(len(cases))]


def verdict_on(model: Model) -> Verdict | list[str]:
    """The level of a model that is accepted, the one rule it breaks, or all that is said of it."""
    validation = validate(model, FACTS)
    rules = {fault.rule for fault in validation.faults}
    if not rules:
        return validation.level
    return rules.pop() if len(rules) == 1 else [fault.message for fault in validation.faults]


@pytest.mark.parametrize(("name", "number"), CASES, ids=[f"{name}-{number}" for name, number in CASES])
def test_decides(name: str, number: int) -> None:
    model, verdict = DECIDED[name][number]

    assert verdict_on(model) == verdict, [fault.message for fault in validate(model, FACTS).faults]


@pytest.mark.skipif(FACTS_FOLDER is None, reason="NNAPI_FACTS does not name a folder with facts")
def test_every_known_disagreement_is_decided() -> None:
    text = (Path(str(FACTS_FOLDER)) / "spec_disagreements.json").read_text(encoding="utf-8")

    known = [entry["id"] for entry in json.loads(text)["disagreements"]]

    assert set(known) == set(DECIDED)
    assert len(known) == 39
