"""How far an approximate way may be from the true value: numbers that a conversion is held to, and their words."""

from __future__ import annotations

from dataclasses import dataclass

from nnapi_check.coverage_db.card_text import CardTable
from nnapi_check.coverage_db.checks import CardError


@dataclass(frozen=True, slots=True)
class Bound:
    """The greatest error of an approximate way.

    Each element is at most ``absolute``, and the share ``relative`` of itself, from the true value. With ``of_input``
    the way gives what the op gives for an input whose elements are each off by at most that share of the input's range
    (greatest less least, 0 among them), or by ``least_of_input`` where this is more. ``within`` is the greatest
    magnitude of the input for which it holds, where it does not hold for all; ``note`` says what numbers do not. Of a
    quantized result, each element is at most ``steps`` steps of its scale from PyTorch's own, and about the share
    ``share`` of the elements is off at all. Where weights are rounded, ``deviation`` is the root mean square of what a
    result is off before it is rounded itself, in such steps, for an input whose own is ``spread``, and in proportion
    for others.
    """

    absolute: float = 0.0
    relative: float = 0.0
    of_input: float = 0.0
    within: float | None = None
    note: str = ""
    steps: int = 0
    share: float = 0.0
    deviation: float = 0.0
    spread: float = 0.0
    least_of_input: float = 0.0

    @property
    def words(self) -> str:
        """The bound as a sentence."""
        parts = [f"{self.absolute:g}"] * (self.absolute > 0) + [f"{self.relative:g} of it"] * (self.relative > 0)
        said = [f"at most {' and '.join(parts)} from the true value"] if parts else []
        if self.of_input:
            least = f", or {self.least_of_input:g} where that is more" if self.least_of_input else ""
            said.append(
                f"as if each element of the input were off by at most {self.of_input:g} of the input's range{least}"
            )
        if self.steps:
            count = "1 step" if self.steps == 1 else f"{self.steps} steps"
            usual = f"on about {self.share:.2%} of the elements"
            if self.deviation:
                usual = f"{self.deviation:.2g} in root mean square where the input has {self.spread:.2g}"
            said.append(f"at most {count} from PyTorch's own, {usual}")
        text = ", and ".join(said)
        if self.within is not None:
            text += f", where the input is between {-self.within:g} and {self.within:g}"
        return f"{text[0].upper()}{text[1:]}." + (f" {self.note}" if self.note else "")


def parse_bound(raw: object, where: str) -> Bound:
    """Read a bound from a card's table. Raises ``CardError``."""
    table = CardTable(raw, f"{where}, bound")
    absolute, relative, of_input, least_of_input, within = (
        table.optional_positive(key) for key in ("absolute", "relative", "of_input", "least_of_input", "within")
    )
    note = table.optional_text("note") or ""
    steps, share = table.optional_positive("steps"), table.optional_positive("share")
    table.close()
    if absolute is None and relative is None and of_input is None and steps is None:
        raise CardError(f"{where}: a bound has at least one of absolute, relative, of_input and steps")
    if least_of_input is not None and of_input is None:
        raise CardError(f"{where}: least_of_input stands beside of_input")
    if (steps is None) != (share is None):
        raise CardError(f"{where}: a bound has steps and share together")
    if steps is not None and (steps != int(steps) or (absolute or relative or of_input)):
        raise CardError(f"{where}: steps are whole, and stand alone")
    numbers = absolute or 0.0, relative or 0.0, of_input or 0.0
    return Bound(*numbers, within, note, int(steps or 0), share or 0.0, least_of_input=least_of_input or 0.0)
