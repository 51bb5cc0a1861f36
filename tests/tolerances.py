"""The one table of tolerances, by element type, that every comparison with PyTorch uses."""

import torch

from nnapi_check.coverage_db.bounds import Bound

RELATIVE = {torch.float32: 2e-5, torch.float16: 4e-3}
"""Greatest error, as a share of the output's range."""

MAX_STEPS = 1
"""Greatest error of a quantized output, in steps of its scale."""


def difference(
    found: torch.Tensor, wanted: torch.Tensor, allowed: torch.Tensor | None = None, *, steps: int = MAX_STEPS
) -> str:
    """What differs beyond tolerance, or an empty text.

    ``allowed`` is what each element may be off besides rounding, where the way is approximate, ``steps`` how many steps
    a quantized one may be.
    """
    found, wanted = found.detach(), wanted.detach()
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return f"{found.dtype} {tuple(found.shape)}, wanted {wanted.dtype} {tuple(wanted.shape)}"
    if wanted.is_quantized:
        off = (found.int_repr().int() - wanted.int_repr().int()).abs()
        found_steps = int(off.max()) if off.numel() else 0
        return "" if found_steps <= steps else f"{found_steps} steps off"
    if not wanted.dtype.is_floating_point:
        return "" if torch.equal(found, wanted) else f"{int((found != wanted).sum())} elements differ"
    finite = torch.isfinite(wanted)
    same = (found == wanted) | (found.isnan() & wanted.isnan())
    if not bool((same | finite).all()) or not bool(torch.isfinite(found[finite]).all()):
        return "infinite or undefined elements differ"
    span = float(wanted[finite].abs().max()) if bool(finite.any()) else 0.0
    limit = RELATIVE[wanted.dtype] * max(span, 1e-6) + (torch.zeros(()) if allowed is None else allowed)
    beyond = torch.where(finite, (found - wanted).abs() - limit, -1.0)
    if not bool((beyond > 0).any()):
        return ""
    worst = int(beyond.argmax())
    return f"{found.flatten()[worst]:g} where {wanted.flatten()[worst]:g} was wanted and the range is {span:g}"


def allowed_by(bound: Bound, wanted: torch.Tensor) -> torch.Tensor:
    """What a way's own bound allows each element to be off, of an op whose input is not rounded."""
    real = wanted.dequantize() if wanted.is_quantized else wanted.float() if wanted.dtype is torch.bool else wanted
    return bound.absolute + bound.relative * real.abs()
