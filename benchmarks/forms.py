"""Ask the same of every module of torch.nn in every form that it comes in, and list where the answers differ.

    python benchmarks/forms.py [MODULE ...] [--every N]

The forms are a trace, a script, the live module, an exported program, and one that was decomposed. The modules are
PyTorch's own samples (its ModuleInfos), and for each argument of a constructor that is a text or one of a few values,
every value that it takes (`benchmarks/form_modules.py`). An answer is the verdict, the score, the number of parts and
the share of the work at each feature level, and the multiply-adds. Levels at which no part runs are alike, whatever the
verdict calls them. Exit code 1 where the answers of a module differ without a reason that is stated in `EXPLAINED`.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import logging
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.form_modules import SEED, Case, Tensors, cases
from nnapi_check import check
from nnapi_check.analyzer.torchscript import trace

Form = Path | nn.Module
Level = tuple[str, float, int, float]

NEVER = 99
"""More than any level."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of one form: per level the verdict, the score, the parts and the share of the work."""

    levels: tuple[Level, ...]
    multiply_adds: int
    ops: tuple[str, ...]


Answers = Mapping[str, Answer | str]


@dataclass(frozen=True, slots=True)
class Explained:
    """Why some forms of modules whose name starts with one of ``starts`` are answered differently.

    ``forms`` are compared with the others at levels from ``since`` on only, and not at all where it is 1.
    """

    starts: tuple[str, ...]
    why: str
    forms: frozenset[str] = frozenset()
    since: int = 1

    def covers(self, name: str) -> bool:
        """Whether a module of this name is meant."""
        return name.startswith(self.starts)


DECOMPOSED = frozenset({"decomposed"})
EXPLAINED = (
    Explained(
        ("",),
        "Below level 3 a decomposed program may hold an op that the level lacks, where the whole op has a way.",
        DECOMPOSED,
        since=3,
    ),
    Explained(
        ("RNN", "LSTM", "GRU"),
        "A scripted recurrent layer that stands alone has no method forward, and decomposed the first step leaves out "
        "the product with a state of zeros.",
        frozenset({"scripted", "decomposed"}),
    ),
    Explained(
        ("Transformer", "MultiheadAttention"),
        "Without an export PyTorch takes one fused op for a whole layer, whose gelu is exact and whose masks have a "
        "meaning of their own; an export writes the layer out.",
        frozenset({"exported", "decomposed", "scripted"}),
    ),
)
"""Where forms are answered differently, and why. What no entry leaves out must be alike."""

LOSSES = Explained(
    (),
    "A loss is one op without a way, as it is computed in training alone; decomposed, its pieces may have ways.",
    DECOMPOSED,
)


def forms(case: Case, folder: Path) -> Iterator[tuple[str, Form]]:
    """The module in every form that PyTorch can give it."""
    torch.manual_seed(SEED)
    module = case.module().eval()
    yield "live", module
    with torch.no_grad():
        # Whatever PyTorch cannot trace, script or export has no such form.
        with contextlib.suppress(Exception):
            yield "traced", trace(module, case.inputs)
        with contextlib.suppress(Exception):
            yield "scripted", torch.jit.script(module)
        with contextlib.suppress(Exception):
            program = torch.export.export(module, case.inputs)
            for name, made in (("exported", program), ("decomposed", program.run_decompositions())):
                torch.export.save(made, folder / f"{name}.pt2")
                yield name, folder / f"{name}.pt2"


def answers(case: Case) -> Answers:
    """What is said of each form: an answer, or the error."""
    found: dict[str, Answer | str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, form in forms(case, Path(folder)):
            try:
                found[name] = answer(form, None if isinstance(form, Path) else case.inputs)
            except Exception as error:  # noqa: BLE001  # every outcome is a result here
                found[name] = f"{type(error).__name__}: {str(error).splitlines()[0][:150]}"
    return found


def answer(form: Form, inputs: Tensors | None) -> Answer:
    """What is said of one form."""
    report = check(form, inputs, feature_level=8)
    levels = tuple(
        (level.readiness, round(level.score, 6), level.parts, round(level.compute_coverage, 6))
        if level.parts
        else ("no part", 0.0, 0, 0.0)
        for level in report.levels
    )
    return Answer(levels, report.multiply_adds, tuple(node.op for node in report.nodes))


def explanations(case: Case) -> tuple[Explained, ...]:
    """What explains differences between the forms of a module."""
    found = tuple(entry for entry in EXPLAINED if entry.covers(case.name))
    return (*found, LOSSES) if "Loss" in case.name else found


def differs(case: Case, found: Answers, *, explained: bool) -> bool:
    """Whether the forms of one module are not answered alike; with ``explained``, in what nothing explains."""
    since = {name: _compared_from(name, case) if explained else 1 for name in found}
    return any(
        _is_other(found[one], found[another], max(since[one], since[another]))
        for one, another in itertools.combinations(found, 2)
    )


def _compared_from(form: str, case: Case) -> int:
    """The lowest level from which a form is compared with the others; beyond all levels where it is not at all."""
    reasons = [entry for entry in explanations(case) if form in entry.forms]
    return NEVER if any(entry.since == 1 for entry in reasons) else max((entry.since for entry in reasons), default=1)


def _is_other(one: Answer | str, another: Answer | str, since: int) -> bool:
    if since == NEVER:
        return False
    if isinstance(one, str) or isinstance(another, str):
        return one != another
    first, second = one.levels[since - 1 :], another.levels[since - 1 :]
    return (first, one.multiply_adds) != (second, another.multiply_adds)


def told(found: Answers) -> Iterator[str]:
    """What each form is answered, those with one answer together."""
    groups: dict[Answer | str, list[str]] = {}
    for name, item in found.items():
        groups.setdefault(item, []).append(name)
    for item, names in groups.items():
        if isinstance(item, str):
            yield f"    {', '.join(names)}: {item}"
            continue
        chosen = [f"{level}: {item.levels[level - 1][0]} {item.levels[level - 1][1]:.2f}" for level in (1, 3, 8)]
        yield f"    {', '.join(names)}: {'; '.join(chosen)}; {item.multiply_adds} multiply-adds; {' '.join(item.ops)}"


def main() -> int:
    """Ask of every module, and print where the forms differ."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("modules", nargs="*", help="the modules whose names start so")
    arguments.add_argument("--every", type=int, default=1, help="only every Nth module")
    given = arguments.parse_args()
    logging.disable(logging.WARNING)
    count = Counter[str]()
    warnings.simplefilter("ignore")
    for index, case in enumerate(cases(given.modules)):
        if index % given.every:
            continue
        found = answers(case)
        count["modules"] += 1
        count["forms"] += len(found)
        if differs(case, found, explained=True):
            count["different"] += 1
            print(case.name, *told(found), sep="\n", flush=True)
        elif differs(case, found, explained=False):
            count["different with a reason that is stated"] += 1
    print(", ".join(f"{number} {what}" for what, number in count.items()), f"seed {SEED}", sep="; ")
    return 1 if count["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
