"""Whether a model's outputs hang on its inputs: a comparison of constants proves nothing of what computed them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.inputs.arguments import Call
from nnapi_check.analyzer.inputs.other_elements import halved, turned
from nnapi_check.lowering.verification.comparison import compare
from nnapi_check.lowering.verification.reference import reference_outputs

TELLING = 10
"""An output tells of what computed it where it changes by more than so many times its tolerance."""


def indifferent_outputs(
    model: Path | torch.nn.Module, call: Call, outputs: Sequence[torch.Tensor], *, trust: bool = False
) -> tuple[int, ...]:
    """The places of a model's ``outputs`` that hardly change where the inputs have other elements.

    None are told of a model that refuses such inputs.
    """
    places = [place for place, output in enumerate(outputs) if output.numel()]
    for change in (turned, halved):
        if not places:
            break
        try:
            others = reference_outputs(model, call.mapped(change), trust=trust)
        except InputError:
            return ()
        if len(others) != len(outputs):
            return ()
        places = [place for place in places if _is_alike(others[place], outputs[place])]
    return tuple(places)


def _is_alike(first: torch.Tensor, second: torch.Tensor) -> bool:
    numbers = compare(first, second)
    return not numbers.is_another_form and numbers.max_relative <= TELLING * numbers.tolerance


def is_of_constants(call: Call) -> bool:
    """Whether each tensor of real numbers among the arguments holds one number only, and there is one with several."""
    several = [leaf for leaf in call.leaves() if isinstance(leaf, torch.Tensor) and _is_of_several(leaf)]
    return bool(several) and all(bool((leaf == leaf.flatten()[0]).all()) for leaf in several)


def _is_of_several(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() and not tensor.is_quantized and tensor.numel() > 1
