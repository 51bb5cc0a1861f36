"""Why two forms of one module may be answered differently, each reason with the op or the refusal that it goes by."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from benchmarks.form_modules import Case

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
        frozenset({"Normed"}),
        "A scripted module with a parametrization raises whenever it is called.",
        error="Parametrization is not working with scripting",
    ),
    Explained(
        RECURRENT,
        "A scripted recurrent layer that stands alone has no method forward, but one for each kind of input.",
        error="has no method 'forward'",
    ),
    Explained(
        RECURRENT | {"LastStep"},
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
    Explained(
        frozenset({"Softplus"}),
        "A low threshold makes a step, for which the one op has no way; its pieces are compared and chosen.",
        ops=frozenset({"aten.softplus.default"}),
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


def differs(case: Case, found: Answers, *, explained: bool) -> bool:
    """Whether the forms of one module are not answered alike; with ``explained``, in what nothing explains."""
    return any(
        _is_other(one, another, excuses_of(case, one, another) if explained else frozenset())
        for one, another in itertools.combinations(found.values(), 2)
    )


def reasons_of(case: Case, found: Answers) -> tuple[str, ...]:
    """The reasons that are stated for the differences between the forms of one module."""
    pairs = [pair for pair in itertools.combinations(found.values(), 2) if _is_other(*pair, frozenset())]
    return tuple(entry.why for entry in EXPLAINED if any(entry.covers(case, *pair) for pair in pairs))


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
