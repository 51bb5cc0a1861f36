"""Examples of cards stand for an operation where no conformance example does."""

from __future__ import annotations

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.lowering.nnapi.validation.validate import validate
from tests.lowering.nnapi.example_models import example_models


def test_a_model_of_an_example_begins_with_the_operation_and_is_valid() -> None:
    models = list(example_models("HARD_SWISH"))

    assert models
    assert {model.operations[0].kind for model in models} == {"HARD_SWISH"}
    assert all(validate(model, load_operations()).is_valid for model in models)


def test_an_operation_that_no_card_emits_has_no_model() -> None:
    assert list(example_models("RANDOM_MULTINOMIAL")) == []
