"""Functions of numbers, element by element."""

from __future__ import annotations

from nnapi_check.analyzer.capture.expansions.expansion import WHOLE, Call, expands
from nnapi_check.analyzer.graph import ElementType, TensorType


@expands("aten.xlogy.Tensor")
def xlogy(_call: Call) -> str:
    """0 where the factor is 0 and the other a number, whatever its logarithm."""
    return "torch.where(torch.logical_and(self == 0, other == other), 0.0, self * torch.log(other))"


@expands("aten.special_xlog1py.default")
def xlog1py(_call: Call) -> str:
    """0 where the factor is 0 and the other a number, whatever its logarithm."""
    return "torch.where(torch.logical_and(self == 0, other == other), 0.0, self * torch.log1p(other))"


@expands("aten.sinc.default")
def sinc(call: Call) -> str | None:
    """1 at zero, where sin(pi x) / (pi x) is no number."""
    if not call.are_floats("self"):
        return None
    return "angle = self * 3.141592653589793\ntorch.where(self == 0, 1.0, torch.sin(angle) / angle)"


@expands("aten.special_entr.default")
def entr(call: Call) -> str | None:
    """-x log(x), 0 at zero, minus infinity below."""
    if not call.are_floats("self"):
        return None
    return "torch.where(self == 0, 0.0, torch.where(self < 0, -inf, -self * torch.log(self)))"


@expands("aten.fmax.default")
def fmax(_call: Call) -> str:
    """The larger; what is no number is no answer where the other is one."""
    return _of_numbers("maximum")


@expands("aten.fmin.default")
def fmin(_call: Call) -> str:
    """The smaller; what is no number is no answer where the other is one."""
    return _of_numbers("minimum")


def _of_numbers(op: str) -> str:
    return f"torch.where(other != other, self, torch.where(self != self, other, torch.{op}(self, other)))"


@expands("aten.isclose.default")
def isclose(call: Call) -> str | None:
    """Equal, or apart by a finite number within the tolerance."""
    if not call.are_floats("self", "other"):
        return None
    within = f"{call.number('atol')!r} + torch.abs(other * {call.number('rtol')!r})"
    both = "torch.logical_or(same, torch.logical_and(self != self, other != other))"
    return (
        "apart = torch.abs(self - other)\n"
        "same = self == other\n"
        f"near = torch.logical_and(apart <= {within}, torch.isfinite(apart))\n"
        f"torch.logical_or(near, {both if call.truth('equal_nan') else 'same'})"
    )


@expands("aten.isposinf.default")
def isposinf(call: Call) -> str | None:
    """Equal to infinity."""
    return "self == inf" if call.are_floats("self") else None


@expands("aten.isneginf.default")
def isneginf(call: Call) -> str | None:
    """Equal to minus infinity."""
    return "self == -inf" if call.are_floats("self") else None


@expands("aten.heaviside.default")
def heaviside(call: Call) -> str | None:
    """0 below zero, 1 above, a value at zero."""
    if not call.are_floats("self"):
        return None
    return "torch.where(self == 0, values, torch.where(self > 0, 1.0, 0.0))"


_MOST_DECIMALS = 38
"""The greatest power of ten that float32 has."""


@expands("aten.round.decimals")
def round_decimals(call: Call) -> str | None:
    """Rounds multiples of a power of ten."""
    decimals = call.integer("decimals")
    if not call.are_floats("self") or abs(decimals) > _MOST_DECIMALS:
        return None
    power = float(10 ** abs(decimals))
    if decimals < 0:
        return f"torch.round(self / {power!r}) * {power!r}"
    return f"torch.round(self * {power!r}) / {power!r}" if decimals else "torch.round(self)"


@expands("aten.div.Scalar_mode", "aten.div.Tensor_mode")
def div_down(call: Call) -> str | None:
    """Of whole numbers, rounded down: PyTorch has an op of its own for that."""
    other = call.arguments["other"]
    kinds = [part.dtype for part in (call.tensor("self"), other) if isinstance(part, TensorType)]
    is_whole = WHOLE.issuperset(kinds) and type(other) in (int, TensorType)
    if not is_whole or call.arguments["rounding_mode"] != "floor":
        return None
    return f"torch.floor_divide(self, {other if isinstance(other, int) else 'other'})"


@expands("aten.logaddexp2.default")
def logaddexp2(_call: Call) -> str:
    """The logarithm of a sum of powers, of the greater one on."""
    more = "torch.log2(torch.exp2(-torch.abs(self - other)) + 1.0)"
    return f"torch.where(self == other, self + 1.0, torch.maximum(self, other) + {more})"


@expands("aten.masked_fill.Tensor")
def masked_fill(call: Call) -> str | None:
    """One element of a tensor where a mask is set."""
    value = call.tensor("value")
    if value.rank or value.dtype is not call.tensor("self").dtype:
        return None
    return "torch.where(mask, value, self)"


@expands("aten.one_hot.default")
def one_hot(call: Call) -> str | None:
    """Each number is compared with those of a range."""
    classes = call.integer("num_classes")
    if classes < 1:
        return None
    return f"torch.eq(self.unsqueeze(-1), torch.arange({classes}, device=self.device)).to(torch.int64)"


@expands("aten._safe_softmax.default")
def safe_softmax(call: Call) -> str | None:
    """Zeros for a row of which every score is minus infinity."""
    kind = call.tensor("self")
    if kind.dtype is not call.outputs[0].dtype:
        return None
    return (
        f"weights = torch._softmax(self, {call.integer('dim')}, False)\n"
        "masked = torch.logical_not(self == -inf)\n"
        f"masked = torch.logical_not(torch.any(masked, {call.integer('dim')}, True))\n"
        "torch.where(masked, torch.full_like(weights, 0), weights)"
    )


_MOST_DIFFERENCES = 64
"""How often differences of differences are written out."""


@expands("aten.diff.default")
def diff(call: Call) -> str | None:
    """Each element less the one before it, as often as asked for; whether they differ for truth values."""
    dim, length = call.dimension("dim"), call.tensor("self").shape[call.dimension("dim")]
    parts = ["self"]
    for name, place in (("prepend", 0), ("append", 2)):
        if call.has(name):
            parts.insert(place, name)
            length += call.tensor(name).shape[dim]
    lines = [f"x = torch.cat([{', '.join(parts)}], {dim})" if len(parts) > 1 else "x = self"]
    is_truth = call.outputs[0].dtype is ElementType.BOOL
    times = min(call.integer("n"), length)
    if times > _MOST_DIFFERENCES:
        return None
    for _ in range(times):
        length -= 1
        after, before = f"x.narrow({dim}, 1, {length})", f"x.narrow({dim}, 0, {length})"
        lines.append(f"x = torch.logical_xor({after}, {before})" if is_truth else f"x = {after} - {before}")
    return "\n".join([*lines, "x"])
