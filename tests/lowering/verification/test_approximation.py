"""What a model is held to is told in few words, however many layers have bounds of their own."""

from nnapi_check.coverage_db.bounds import Bound
from nnapi_check.lowering.verification.approximation import Approximation, tolerance_words


def test_layers_with_rounded_weights_are_told_together_by_their_op() -> None:
    bounds = [Bound(steps=steps, deviation=steps / 20, spread=1.0) for steps in (40, 286, 97)]

    words = tolerance_words(
        [Approximation("quantized.conv2d.new", (value,), 0, bound) for value, bound in enumerate(bounds)]
    )

    assert words.count("quantized.conv2d.new") == 1
    assert "3 quantized.conv2d.new: at most 40 to 286 steps from PyTorch's own, 2 to 14 in root mean square" in words


def test_layers_that_are_off_on_other_shares_of_elements_are_told_together() -> None:
    shares = {"quantized.conv2d.new": (0.001, 0.0017, 0.0006), "quantized.linear.default": (0.002, 0.002)}
    found = [
        Approximation(op, (value,), 0, Bound(steps=1, share=share))
        for op, given in shares.items()
        for value, share in enumerate(given)
    ]

    words = tolerance_words(found)

    assert (
        "3 quantized.conv2d.new: at most 1 step from PyTorch's own, on about 0.06% to 0.17% of the elements;" in words
    )
    assert "2 quantized.linear.default: at most 1 step from PyTorch's own, on about 0.20% of the elements)" in words
