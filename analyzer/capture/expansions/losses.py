"""Losses: a number for each element, and their mean or sum where that is asked for."""

from __future__ import annotations

from nnapi_check.analyzer.capture.expansions.expansion import Call, expands

_TOGETHER = {1: "torch.mean", 2: "torch.sum"}


def _reduced(call: Call, expression: str) -> str:
    return f"{_TOGETHER.get(call.integer('reduction'), '')}({expression})"


@expands("aten.mse_loss.default")
def mse_loss(call: Call) -> str:
    """Squared differences."""
    return _reduced(call, "torch.square(self - target)")


@expands("aten.l1_loss.default")
def l1_loss(call: Call) -> str:
    """Absolute differences."""
    return _reduced(call, "torch.abs(self - target)")


@expands("aten.smooth_l1_loss.default")
def smooth_l1_loss(call: Call) -> str:
    """Squares below ``beta``, absolute differences above."""
    beta = call.number("beta")
    if beta == 0:
        return _reduced(call, "torch.abs(self - target)")
    chosen = f"torch.where(apart < {beta!r}, apart * apart * {0.5 / beta!r}, apart - {0.5 * beta!r})"
    return f"apart = torch.abs(self - target)\n{_reduced(call, chosen)}"


@expands("aten.huber_loss.default")
def huber_loss(call: Call) -> str:
    """Squares up to ``delta``, multiples of absolute differences above."""
    delta = call.number("delta")
    chosen = f"torch.where(apart <= {delta!r}, apart * apart * 0.5, (apart - {0.5 * delta!r}) * {delta!r})"
    return f"apart = torch.abs(self - target)\n{_reduced(call, chosen)}"


@expands("aten.binary_cross_entropy.default")
def binary_cross_entropy(call: Call) -> str:
    """Logarithms of probabilities, which count as -100 at least."""
    weight = "weight * " if call.has("weight") else ""
    return "yes = torch.clamp(torch.log(self), min=-100)\nno = torch.clamp(torch.log1p(-self), min=-100)\n" + _reduced(
        call, f"{weight}((target - 1) * no - target * yes)"
    )


@expands("aten.binary_cross_entropy_with_logits.default")
def binary_cross_entropy_with_logits(call: Call) -> str:
    """The same of numbers that a sigmoid makes probabilities of."""
    factor = "((pos_weight - 1) * target + 1) * " if call.has("pos_weight") else ""
    weight = "weight * " if call.has("weight") else ""
    return _reduced(call, f"{weight}((1 - target) * self - {factor}torch.nn.functional.logsigmoid(self))")


@expands("aten.soft_margin_loss.default")
def soft_margin_loss(call: Call) -> str:
    """log(1 + exp(-target * self))."""
    return _reduced(call, "torch.log1p(torch.exp(-target * self))")


@expands("aten.margin_ranking_loss.default")
def margin_ranking_loss(call: Call) -> str:
    """How far two are from the order that is wanted."""
    return _reduced(call, f"torch.relu(-target * (input1 - input2) + {call.number('margin')!r})")


@expands("aten.poisson_nll_loss.default")
def poisson_nll_loss(call: Call) -> str | None:
    """exp(input) - target * input, or the same of numbers that are no logarithms."""
    if call.truth("full"):
        return None
    if call.truth("log_input"):
        return _reduced(call, "torch.exp(input) - target * input")
    return _reduced(call, f"input - target * torch.log(input + {call.number('eps')!r})")
