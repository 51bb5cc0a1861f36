"""Outputs that hang on no input prove nothing, so that values inside are compared, and somebody is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from nnapi_check import convert
from nnapi_check.analyzer.inputs.arguments import Call
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.plan_lowering import FactsByName
from nnapi_check.lowering.verification.input_dependence import indifferent_outputs, is_of_constants
from nnapi_check.lowering.verification.reference import reference_outputs
from nnapi_check.lowering.verification.verify import Verification, verify_artifact

SHAPE = (1, 3, 9, 11)


class Headed(nn.Module):
    """Features, and classes of them: the head is all zeros, as before training."""

    def __init__(self, *, gives_features: bool = False) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 6, 3)
        self.head = nn.Linear(6, 4)
        nn.init.zeros_(self.head.weight)
        self._gives_features = gives_features

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        features = self.features(x).relu()
        classes: torch.Tensor = self.head(features.mean((2, 3)))
        return (classes, features) if self._gives_features else classes


def _verified(package: Path, model: nn.Module, x: torch.Tensor) -> Verification:
    return verify_artifact(package, model, [x], level=3, facts=FactsByName(open_registry()))


def test_a_fault_behind_a_head_of_zeros_is_found(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model, other, x = Headed().eval(), Headed().eval(), torch.rand(SHAPE)
    other.head = model.head
    report = convert(model, tmp_path / "out.pt", [x], feature_level=3, min_score=0)

    assert report.verification is not None
    assert any(note.startswith("No output depends on the inputs") for note in report.verification.notes)
    assert any("values inside none beyond" in note for note in report.verification.notes)
    # Their outputs are the same.
    assert torch.equal(model(x), other(x))
    found = _verified(tmp_path / "out.pt", other, x)
    assert all(output.max_absolute == 0 for output in found.outputs)
    assert not found.is_within_tolerance


def test_an_output_among_others_that_hangs_on_no_input_is_named(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model, x = Headed(gives_features=True).eval(), torch.rand(SHAPE)
    report = convert(model, tmp_path / "out.pt", [x], feature_level=3, min_score=0)

    assert report.verification is not None
    (note,) = report.verification.notes
    assert note.startswith("Output 0 does not depend on the inputs")
    found = _verified(tmp_path / "out.pt", model, x)
    assert (found.indifferent, found.parts) == ((0,), ())


def test_inputs_of_one_number_are_told(tmp_path: Path) -> None:
    model = nn.Conv2d(3, 4, 3)
    report = convert(model, tmp_path / "out.pt", [torch.zeros(SHAPE)], feature_level=3, min_score=0)

    assert report.verification is not None
    assert any(note.startswith("Each input is one number all over") for note in report.verification.notes)


@pytest.mark.parametrize(
    ("leaves", "expected"),
    [
        ((torch.zeros(3),), True),
        ((torch.zeros(3), torch.tensor([1, 2])), True),
        ((torch.zeros(3), torch.rand(3)), False),
        ((torch.zeros(()), 3), False),
        ((torch.tensor([1, 1]),), False),
    ],
)
def test_which_inputs_are_of_one_number(leaves: tuple[object, ...], expected: bool) -> None:
    assert is_of_constants(Call(leaves)) is expected


def test_outputs_of_words_change_with_the_words() -> None:
    model, words = nn.Embedding(9, 4), torch.tensor([[1, 2, 3]])
    assert indifferent_outputs(model, Call((words,)), reference_outputs(model, [words])) == ()


def test_nothing_is_told_of_a_model_that_refuses_other_elements() -> None:
    class Refusing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if bool((x < 0).any()):
                raise ValueError("negative")
            return torch.ones_like(x)

    model, x = Refusing(), torch.rand(3)
    assert indifferent_outputs(model, Call((x,)), reference_outputs(model, [x])) == ()
