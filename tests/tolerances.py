"""The one table of tolerances, by element type, that every comparison with PyTorch uses."""

import torch

RELATIVE = {torch.float32: 2e-5, torch.float16: 4e-3}
"""Greatest error, as a share of the output's range."""

APPROXIMATE = 2e-2
"""The same for ways that state a bound."""

MAX_STEPS = 1
"""Greatest error of a quantized output, in steps of its scale."""


def difference(found: torch.Tensor, wanted: torch.Tensor, *, is_approximate: bool = False) -> str:
    """What differs beyond tolerance, or an empty text."""
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return f"{found.dtype} {tuple(found.shape)}, wanted {wanted.dtype} {tuple(wanted.shape)}"
    if wanted.is_quantized:
        off = (found.int_repr().int() - wanted.int_repr().int()).abs()
        steps = int(off.max()) if off.numel() else 0
        return "" if steps <= MAX_STEPS else f"{steps} steps off"
    if not wanted.dtype.is_floating_point:
        return "" if torch.equal(found, wanted) else f"{int((found != wanted).sum())} elements differ"
    finite = torch.isfinite(wanted)
    same = (found == wanted) | (found.isnan() & wanted.isnan())
    if not bool((same | finite).all()) or not bool(torch.isfinite(found[finite]).all()):
        return "infinite or undefined elements differ"
    error = float((found - wanted)[finite].abs().max()) if bool(finite.any()) else 0.0
    span = float(wanted[finite].abs().max()) if bool(finite.any()) else 1.0
    bound = (APPROXIMATE if is_approximate else RELATIVE[wanted.dtype]) * max(span, 1e-6)
    return "" if error <= bound else f"off by {error:g} where the range is {span:g}"
