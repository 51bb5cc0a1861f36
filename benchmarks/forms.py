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
import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.form_modules import SEED, Case, Tensors, cases
from nnapi_check import check
from nnapi_check.analyzer.torchscript import trace

Form = Path | nn.Module
Level = tuple[str, float, int, float]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of one form: per level the verdict, the score, the parts and the share of the work."""

    levels: tuple[Level, ...]
    multiply_adds: int
    ops: tuple[str, ...]


Answers = Mapping[str, Answer | str]


class Excuse(Enum):
    """What of a form's answer is not compared with the others'."""

    ALL = "all"
    BELOW_LEVEL_3 = "levels 1 and 2"
    MULTIPLY_ADDS = "the multiply-adds"


@dataclass(frozen=True, slots=True)
class Explained:
    """Why two forms of modules of ``kinds`` are answered differently, in what ``excuse`` says and in nothing else.

    One of both holds one of ``ops`` and the other does not; or one is refused with ``error`` in the refusal. ``given``
    are arguments of the constructor that the case has.
    """

    kinds: frozenset[str]
    why: str
    ops: frozenset[str] = frozenset()
    error: str = ""
    given: tuple[tuple[str, object], ...] = ()
    excuse: Excuse = Excuse.ALL

    def covers(self, case: Case, one: Answer | str, another: Answer | str) -> bool:
        """Whether these answers to two forms of a case are meant."""
        if case.kind not in self.kinds or not set(self.given) <= set(case.given):
            return False
        if self.error:
            return any(isinstance(item, str) and self.error in item for item in (one, another))
        holds = [isinstance(item, Answer) and not self.ops.isdisjoint(item.ops) for item in (one, another)]
        return holds[0] != holds[1]


RECURRENT = frozenset({"RNN", "LSTM", "GRU"})
LOSS_OPS: Mapping[str, str] = {
    "BCELoss": "aten.binary_cross_entropy.default",
    "BCEWithLogitsLoss": "aten.binary_cross_entropy_with_logits.default",
    "CosineEmbeddingLoss": "aten.cosine_embedding_loss.default",
    "CrossEntropyLoss": "aten.cross_entropy_loss.default",
    "HingeEmbeddingLoss": "aten.hinge_embedding_loss.default",
    "HuberLoss": "aten.huber_loss.default",
    "KLDivLoss": "aten.kl_div.default",
    "L1Loss": "aten.l1_loss.default",
    "LinearCrossEntropyLoss": "aten.cross_entropy_loss.default",
    "MSELoss": "aten.mse_loss.default",
    "MarginRankingLoss": "aten.margin_ranking_loss.default",
    "MultiLabelMarginLoss": "aten.multilabel_margin_loss.default",
    "MultiMarginLoss": "aten.multi_margin_loss.default",
    "NLLLoss": "aten.nll_loss_nd.default",
    "PoissonNLLLoss": "aten.poisson_nll_loss.default",
    "SmoothL1Loss": "aten.smooth_l1_loss.default",
    "SoftMarginLoss": "aten.soft_margin_loss.default",
    "TripletMarginLoss": "aten.triplet_margin_loss.default",
}
"""Losses that are one op, which has no way."""

EXPLAINED = (
    *(
        Explained(
            frozenset({"Upsample"}),
            "Decomposed, each neighbor is picked by places, for which NNAPI has GATHER from level 3 on.",
            ops=frozenset({"aten.index.Tensor"}),
            given=(("mode", mode),),
            excuse=Excuse.BELOW_LEVEL_3,
        )
        for mode in ("linear", "bicubic")
    ),
    Explained(
        frozenset({"AdaptiveMaxPool1d"}),
        "Decomposed it pools an image of one row, which at level 1 must lie in memory as NNAPI has it.",
        ops=frozenset({"aten.adaptive_max_pool2d.default"}),
        excuse=Excuse.BELOW_LEVEL_3,
    ),
    Explained(
        frozenset({"AdaptiveAvgPool1d"}),
        "Decomposed, a pooling to one cell is a mean, for which NNAPI has an operation from level 2 on.",
        ops=frozenset({"aten.mean.dim"}),
        excuse=Excuse.BELOW_LEVEL_3,
    ),
    Explained(
        RECURRENT,
        "A scripted recurrent layer that stands alone has no method forward, but one for each kind of input.",
        error="has no method 'forward'",
    ),
    Explained(
        RECURRENT,
        "Decomposed, products with a state of zeros are left out.",
        ops=frozenset({"aten.rnn_tanh.input", "aten.rnn_relu.input", "aten.lstm.input", "aten.gru.input"}),
        excuse=Excuse.MULTIPLY_ADDS,
    ),
    Explained(
        frozenset({"TransformerEncoderLayer", "TransformerEncoder", "Transformer"}),
        "Without an export PyTorch takes one fused op for a layer, which has no way with gelu nor below level 3.",
        ops=frozenset({"aten._transformer_encoder_layer_fwd.default"}),
    ),
    Explained(
        frozenset({"MultiheadAttention"}),
        "Without an export PyTorch takes one fused op, whose masks have a meaning of their own.",
        ops=frozenset({"aten._native_multi_head_attention.default"}),
    ),
    *(
        Explained(frozenset({kind}), "Decomposed, that op is written out, which has no way.", frozenset({op}))
        for kind, op in (
            ("RReLU", "aten.rrelu_with_noise_functional.default"),
            ("Bilinear", "aten._trilinear.default"),
        )
    ),
    *(
        Explained(
            frozenset({kind}),
            "The loss is one op without a way, as it is computed in training alone; its pieces have ways.",
            ops=frozenset({op}),
        )
        for kind, op in LOSS_OPS.items()
    ),
    Explained(
        frozenset({"LinearCrossEntropyLoss"}),
        "With options, an export holds one op of which nothing is known; a trace leaves the options out.",
        ops=frozenset(
            {
                "torch_nn._linear_cross_entropy_batch_chunked.default",
                "torch_nn._linear_cross_entropy_batch_chunked_no_reduction.default",
            }
        ),
    ),
    Explained(
        frozenset({"FractionalMaxPool2d", "FractionalMaxPool3d"}),
        "PyTorch's sample mixes element types, which its kernel for the CPU takes and its meta kernel does not.",
        error="Expect _random_samples to have the same dtype",
    ),
)
"""Where forms are answered differently, and why. What no entry leaves out must be alike."""


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
                found[name] = f"{type(error).__name__}: {_refusal(str(error))}"
    return found


def _refusal(text: str) -> str:
    """What a refusal says, without the places in files that differ from form to form."""
    return re.sub(r" at \S+:\d+( \S+:\d+)*|/tmp/\S+/", "", text.splitlines()[0])[:300]


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


def differs(case: Case, found: Answers, *, explained: bool) -> bool:
    """Whether the forms of one module are not answered alike; with ``explained``, in what nothing explains."""
    return any(
        _is_other(one, another, excuses_of(case, one, another) if explained else frozenset())
        for one, another in itertools.combinations(found.values(), 2)
    )


def excuses_of(case: Case, one: Answer | str, another: Answer | str) -> frozenset[Excuse]:
    """What of the answers to two forms is not compared."""
    return frozenset(entry.excuse for entry in EXPLAINED if entry.covers(case, one, another))


def _is_other(one: Answer | str, another: Answer | str, excuses: frozenset[Excuse]) -> bool:
    if Excuse.ALL in excuses:
        return False
    if isinstance(one, str) or isinstance(another, str):
        return one != another
    since = 2 if Excuse.BELOW_LEVEL_3 in excuses else 0
    is_counted_alike = one.multiply_adds == another.multiply_adds or Excuse.MULTIPLY_ADDS in excuses
    return one.levels[since:] != another.levels[since:] or not is_counted_alike


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
