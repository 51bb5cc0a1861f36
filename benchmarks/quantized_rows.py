"""What became of a quantized model at a target and level: a line of JSON in a file that is added to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measured_page import kept_lines
from benchmarks.quantized_builds import BUILDERS, TARGETS

LEVELS = (3, 4, 5, 8)
EAGER, FX, EXPORTED = "eager", "FX", "PT2E"


@dataclass(frozen=True, slots=True)
class Case:
    """One model: a builder, how it is quantized, and whose parameters of quantization it has."""

    builder: str
    form: str
    parameters: str

    @property
    def name(self) -> str:
        """What rows call it."""
        return f"{self.builder} {self.form} {self.parameters}"


CASES = (
    *(Case(builder, EAGER, engine) for builder in BUILDERS for engine in ("qnnpack", "fbgemm")),
    Case("mobilenet_v2", FX, "qnnpack"),
    Case("mobilenet_v2", FX, "x86"),
    Case("resnet18", FX, "fbgemm"),
    Case("resnet18", FX, "onednn"),
    Case("mobilenet_v2", EXPORTED, "per tensor"),
    Case("mobilenet_v3_small", EXPORTED, "per tensor"),
    Case("resnet18", EXPORTED, "per tensor"),
    Case("resnet50", EXPORTED, "per tensor"),
    Case("shufflenet_v2_x0_5", EXPORTED, "per tensor"),
    Case("squeezenet1_1", EXPORTED, "per tensor"),
    Case("mobilenet_v2", EXPORTED, "per channel"),
    Case("resnet18", EXPORTED, "per channel"),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """A model for a target."""

    case: Case
    target: str

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.case.name} {self.target}"


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a model at a target and level.

    ``values`` are the different numbers of the output for the first image, ``classes`` the different best classes over
    ``count`` images. Of the work, ``integers``, ``floats`` and ``cpu`` are multiply-adds; of the ``layers``, so many
    are exact and within a step on PyTorch's own inputs, and ``steps`` is the most that one is off; ``inexact`` names
    the ops that are off. Noise is in decibels, None where there is none: ``noise`` is the converted file's over all
    images, ``between`` that of PyTorch's other engine and ``rounding`` that of quantization, PyTorch's against the
    model of floats. ``first_noise`` is that of the image that was verified, held to ``least_noise``. ``agreed`` and
    ``agreed_between`` are on how many images the best class is PyTorch's best. ``size`` is the file's beside the
    model's. ``fault`` is empty where what was promised was kept.
    """

    builder: str
    form: str
    parameters: str
    target: str
    level: int
    height: int
    width: int
    count: int
    values: int = 0
    classes: int = 0
    verdict: str = ""
    score: float = 0.0
    parts: int = 0
    integers: int = 0
    floats: int = 0
    cpu: int = 0
    layers: int = 0
    exact: int = 0
    within: int = 0
    steps: int = 0
    inexact: tuple[str, ...] = ()
    noise: float | None = None
    between: float | None = None
    rounding: float | None = None
    first_noise: float | None = None
    least_noise: float | None = None
    agreed: int = 0
    agreed_between: int = 0
    size: float = 0.0
    seconds: float = 0.0
    date: str = ""
    fault: str = ""

    @property
    def trial(self) -> Trial:
        """What it is of."""
        return Trial(Case(self.builder, self.form, self.parameters), self.target)


Rows = Mapping[Trial, Mapping[int, Row]]


def trials(words: Sequence[str] = ()) -> list[Trial]:
    """Every model for every target, those whose names hold one of these words where there are any."""
    found = [Trial(case, target) for target in TARGETS for case in CASES]
    return [trial for trial in found if not words or any(word in trial.name for word in words)]


def read_rows(path: Path) -> dict[Trial, dict[int, Row]]:
    """What a file of lines tells of each trial, by level; the last line counts."""
    found: dict[Trial, dict[int, Row]] = {}
    for told in kept_lines(path):
        row = Row(**told)
        found.setdefault(row.trial, {})[row.level] = row
    return found


def left(
    wanted: Iterable[Trial], rows: Rows, count: int, *, again: bool = False
) -> list[tuple[Trial, tuple[int, ...]]]:
    """The levels that have no row on so many images, and ``again`` those whose row tells of a fault."""

    def is_left(row: Row | None) -> bool:
        return row is None or row.count < count or (again and bool(row.fault))

    missing = [(trial, tuple(level for level in LEVELS if is_left(rows.get(trial, {}).get(level)))) for trial in wanted]
    return [(trial, levels) for trial, levels in missing if levels]


def line_of(row: Row) -> str:
    """A row as one line of words."""
    told = f"{row.trial.name} {row.level}: {row.verdict}, score {row.score:.1f}, {row.parts} parts"
    work = f"{row.integers}/{row.floats}/{row.cpu} multiply-adds"
    layers = f"{row.exact} and {row.within} of {row.layers} layers exact and within a step, {row.steps} at most"
    noise = f"{decibels(row.noise)}, between engines {decibels(row.between)}, of quantization {decibels(row.rounding)}"
    agreed = f"best class {row.agreed} and {row.agreed_between} of {row.count}"
    end = f"size {row.size:.3f}, {row.seconds:.0f} s"
    return f"{told}, {work}, {layers}, {noise}, {agreed}, {end}" + (f"\n    -> {row.fault}" if row.fault else "")


def decibels(noise: float | None) -> str:
    """Noise in words."""
    return "exact" if noise is None else f"{noise:.1f}"
