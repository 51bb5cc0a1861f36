"""Ask the same of every module of torch.nn in every form that it comes in, and list where the answers differ.

    python benchmarks/forms.py [MODULE ...] [--every N] [--jobs N]

The forms are a trace, a script, the live module, an exported program, and one that was decomposed. The modules are
PyTorch's own samples (its ModuleInfos), and for each argument of a constructor that is a text or one of a few values,
every value that it takes (`benchmarks/form_modules.py`); and blocks as models are built of them
(`benchmarks/form_blocks.py`). An answer is the verdict, the score, the number of parts and
the share of the work at each feature level, and the multiply-adds. Levels at which no part runs are alike, whatever the
verdict calls them. Each module is asked of in a process of its own and has a line of its own. Exit code 1 where
the answers of a module differ without a reason that is stated in `benchmarks/form_reasons.py`, or its process dies.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn.parameter import is_lazy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.form_blocks import blocks
from benchmarks.form_modules import SEED, Case, Inputs, Kind, cases
from benchmarks.form_reasons import Answer, Answers, differs, reasons_of
from benchmarks.processes import in_processes
from nnapi_check import check
from nnapi_check.analyzer.torchscript import trace

Form = Path | nn.Module
TOLD_LEVELS = (1, 3, 8)


class Outcome(Enum):
    """What comes of asking of a module."""

    ALIKE = "alike"
    STATED = "stated"
    REFUSED = "refused in every form"
    DIFFERENT = "DIFFERENT"
    ENDED = "DIED"


@dataclass(frozen=True, slots=True)
class NotMade:
    """A form that PyTorch itself does not make of a module, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a module: the outcome, the verdicts of the first form answered, and all that is told of it."""

    name: str
    outcome: Outcome
    forms: int
    verdicts: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    not_made: tuple[str, ...] = ()


@dataclass(slots=True)
class Tally:
    """Counts what came of all modules."""

    found: list[Found] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The tables, and at the end the modules whose forms differ or are refused."""
        yield f"{len(self.found)} modules in {sum(one.forms for one in self.found)} forms; seed {SEED}"
        yield from _table(Counter(one.outcome.value for one in self.found))
        for place, level in enumerate(TOLD_LEVELS):
            yield f"first answers at feature level {level}:"
            yield from _table(Counter(one.verdicts[place] for one in self.found if one.verdicts))
        for title, named in (
            ("stated reasons, by modules:", Counter(why for one in self.found for why in one.reasons)),
            ("refusals, by modules:", Counter(why for one in self.found for why in one.refusals)),
            (
                "forms that PyTorch does not make, by modules:",
                Counter(why for one in self.found for why in one.not_made),
            ),
        ):
            if named:
                yield title
                yield from _table(named)
        for one in self.found:
            if one.outcome in (Outcome.DIFFERENT, Outcome.ENDED):
                yield from (f"{one.outcome.value}: {one.name}", *one.told)


def _table(counts: Counter[str]) -> Iterator[str]:
    for what, number in counts.most_common():
        yield f"{number:7}  {what}"


def forms(case: Case, folder: Path) -> Iterator[tuple[str, Form | NotMade]]:
    """The module in every form that PyTorch can give it."""
    torch.manual_seed(SEED)
    module = case.module().eval()
    with torch.no_grad():
        if any(map(is_lazy, module.parameters())):
            module(*case.inputs)
        yield "live", module
        yield "traced", _made(lambda: trace(module, case.inputs))
        yield "scripted", _made(lambda: torch.jit.script(module))
        try:
            program = torch.export.export(module, case.inputs)
            programs = {"exported": program, "decomposed": program.run_decompositions()}
            for name, made in programs.items():
                torch.export.save(made, folder / f"{name}.pt2")
        except Exception as error:  # noqa: BLE001  # whatever PyTorch cannot export has no such form
            yield from ((name, NotMade(_first_line(error))) for name in ("exported", "decomposed"))
        else:
            yield from ((name, folder / f"{name}.pt2") for name in programs)


def _made(make: Callable[[], nn.Module]) -> nn.Module | NotMade:
    try:
        return make()
    except Exception as error:  # noqa: BLE001  # whatever PyTorch cannot trace or script has no such form
        return NotMade(_first_line(error))


def _first_line(error: Exception) -> str:
    """What an error says, without the places in files and memory that differ from form to form."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    placeless = re.sub(r" at \S+:\d+( \S+:\d+)*|/tmp/\S+/| at 0x\w+", "", said)
    return f"{type(error).__name__}: {placeless[:300]}"


def answers(case: Case) -> tuple[Answers, tuple[str, ...]]:
    """What is said of each form that there is, an answer or the error; and which forms there are not, and why."""
    asked: dict[str, Answer | str] = {}
    not_made = []
    with tempfile.TemporaryDirectory() as folder:
        for name, form in forms(case, Path(folder)):
            if isinstance(form, NotMade):
                not_made.append(f"{name}: {form.why}")
            else:
                asked[name] = _asked(form, case.inputs)
    return asked, tuple(not_made)


def _asked(form: Form, inputs: Inputs) -> Answer | str:
    try:
        return answer(form, None if isinstance(form, Path) else inputs)
    except Exception as error:  # noqa: BLE001  # every outcome is a result here
        return _first_line(error)


def answer(form: Form, inputs: Inputs | None) -> Answer:
    """What is said of one form."""
    report = check(form, inputs, feature_level=8)
    levels = tuple(
        (level.readiness, round(level.score, 6), level.parts, round(level.compute_coverage, 6))
        if level.parts
        else ("no part", 0.0, 0, 0.0)
        for level in report.levels
    )
    return Answer(levels, report.multiply_adds, tuple(node.op for node in report.nodes))


def told(found: Answers) -> Iterator[str]:
    """What each form is answered, those with one answer together."""
    groups: dict[Answer | str, list[str]] = {}
    for name, item in found.items():
        groups.setdefault(item, []).append(name)
    for item, names in groups.items():
        if isinstance(item, str):
            yield f"    {', '.join(names)}: {item}"
            continue
        chosen = [f"{level}: {item.levels[level - 1][0]} {item.levels[level - 1][1]:.2f}" for level in TOLD_LEVELS]
        yield f"    {', '.join(names)}: {'; '.join(chosen)}; {item.multiply_adds} multiply-adds; {' '.join(item.ops)}"


def found_of(case: Case) -> Found:
    """What comes of one module."""
    asked, not_made = answers(case)
    answered = [item for item in asked.values() if isinstance(item, Answer)]
    return Found(
        case.name,
        _outcome(case, asked, is_answered=bool(answered)),
        len(asked),
        tuple(answered[0].levels[level - 1][0] for level in TOLD_LEVELS) if answered else (),
        tuple(told(asked)),
        reasons_of(case, asked),
        tuple(f"{name}: {item}" for name, item in asked.items() if isinstance(item, str)),
        not_made,
    )


def _outcome(case: Case, asked: Answers, *, is_answered: bool) -> Outcome:
    if differs(case, asked, explained=True):
        return Outcome.DIFFERENT
    if differs(case, asked, explained=False):
        return Outcome.STATED
    return Outcome.ALIKE if is_answered else Outcome.REFUSED


def ask_all(asked: Sequence[Case], jobs: int) -> Iterator[Found]:
    """Ask of every module, each in a process of its own that is forked from this one."""
    # What PyTorch imports for a first export and a first check, no process need import again.
    simple: Kind = nn.ReLU
    answers(Case("ReLU", partial(simple), (torch.rand(2, 3),)))

    def rows(case: Case) -> Iterator[str]:
        found = found_of(case)
        yield json.dumps({**asdict(found), "outcome": found.outcome.name})

    for ended in in_processes(asked, rows, jobs):
        if ended.lines and not ended.is_late:
            row = json.loads(ended.lines[-1])
            told_of = (tuple(row[name]) for name in ("verdicts", "told", "reasons", "refusals", "not_made"))
            yield Found(row["name"], Outcome[row["outcome"]], row["forms"], *told_of)
        else:
            yield Found(ended.item.name, Outcome.ENDED, 0, told=(f"    {ended.death or 'too late'}",))


def main() -> int:
    """Ask of every module, and print where the forms differ."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("modules", nargs="*", help="the modules whose names start so")
    arguments.add_argument("--every", type=int, default=1, help="only every Nth module")
    arguments.add_argument("--jobs", type=int, default=1, help="how many at the same time")
    given = arguments.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    tally = Tally()
    asked = [case for case in (*blocks(), *cases()) if not given.modules or case.name.startswith(tuple(given.modules))]
    for found in ask_all(asked[:: given.every], given.jobs):
        tally.found.append(found)
        print(f"{found.outcome.value:9} {'/'.join(found.verdicts):30} {found.name}", flush=True)
    print("", *tally.lines(), sep="\n")
    return 1 if any(one.outcome in (Outcome.DIFFERENT, Outcome.ENDED) for one in tally.found) else 0


if __name__ == "__main__":
    sys.exit(main())
