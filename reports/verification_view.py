"""From measured differences to a report's plain data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from nnapi_check.analyzer.graph import Graph, NodeOutput
from nnapi_check.lowering.verification.approximation import tolerance_words
from nnapi_check.lowering.verification.comparison import Numbers
from nnapi_check.lowering.verification.verify import LayerNumbers, Verification
from nnapi_check.reports.naming import place_words
from nnapi_check.reports.views import LayerView, NumbersView, VerificationView

TELLING = 0.1
"""An output that may be off by a greater share of its range tells little of what computed it."""


def verification_view(verification: Verification, graph: Graph) -> VerificationView:
    """Write down a verification, its layers by the nodes of the graph that made them."""
    return VerificationView(
        ran_in=verification.ran_in,
        level=verification.level,
        executions=verification.executions,
        outputs=tuple(_numbers(f"output {index}", found) for index, found in enumerate(verification.outputs)),
        layers=tuple(_layers(verification.layers, graph)),
        is_within_tolerance=verification.is_within_tolerance,
        tolerance=tolerance_words(verification.approximations),
        notes=tuple(_notes(verification)),
        float16=tuple(
            replace(_numbers(f"output {index}", found), tolerance=None) for index, found in enumerate(verification.half)
        ),
    )


def _notes(verification: Verification) -> Iterator[str]:
    as_rows = {place for rows in verification.rows for place in rows.outputs}
    for place, found in enumerate(verification.half):
        if not math.isfinite(found.max_absolute):
            yield (
                f"Output {place} is infinite or undefined with float16's numbers, where PyTorch's is not: convert "
                "without --relaxed, or scale what is inside the model."
            )
    for rows in verification.rows:
        yield f"{rows.words[0].upper()}{rows.words[1:]}."
    yield from _step_notes(verification)
    yield from _input_notes(verification)
    if verification.parts:
        off = sum(not part.numbers.is_within_tolerance for part in verification.parts)
        what = "values inside" if _is_indifferent(verification) else "outputs of parts"
        yield (
            f"Each part alone, on what PyTorch computes for its inputs: of {len(verification.parts)} {what} "
            f"{off or 'none'} beyond what rounding explains."
        )
    beyond = [layer for layer in verification.layers if not layer.numbers.is_within_tolerance]
    if beyond:
        yield (
            f"Of {len(verification.layers)} values inside the parts {len(beyond)} are beyond what rounding explains, "
            f"though the outputs {'are not' if verification.is_within_tolerance else 'are as well'}: see the layers."
        )
    for place, found in enumerate(verification.outputs):
        if 0 in found.shape:
            yield f"Output {place} has no elements with these inputs: nothing was compared."
        elif place not in as_rows and found.tolerance == math.inf:
            yield (
                f"Output {place} cannot be compared: with these inputs PyTorch's own differs where ops round "
                "otherwise, or an approximate op reads numbers that its bound does not hold for."
            )
        elif place not in as_rows and found.steps is None and found.tolerance > TELLING:
            yield (
                f"Output {place} says little as a whole: rounding and the bounds of ops inside move PyTorch's own by "
                f"up to {found.tolerance:.2g} of its range. Let --layers tell what each op adds."
            )


def _is_indifferent(verification: Verification) -> bool:
    return len(verification.indifferent) == len(verification.outputs)


def _input_notes(verification: Verification) -> Iterator[str]:
    if verification.is_of_constants:
        yield (
            "Each input is one number all over, so that elements in a wrong order would not show: give inputs as the "
            "app has them."
        )
    elif verification.indifferent:
        places = ", ".join(map(str, verification.indifferent))
        which = "No output depends" if _is_indifferent(verification) else f"Output {places} does not depend"
        yield (
            f"{which} on the inputs to speak of, in PyTorch as well, as before training: comparing it proves little. "
            "Give trained weights."
        )


def _step_notes(verification: Verification) -> Iterator[str]:
    for place, found in enumerate(verification.outputs):
        least = found.least_signal_to_noise
        if found.steps is None or not math.isfinite(least) or found.allowing_no_noise.is_within_tolerance:
            continue
        noise = f"{found.signal_to_noise:.1f} dB from signal to noise, at least {least:.1f} dB"
        yield f"Output {place} has {noise} by what steps inside do to PyTorch's own."
        if least <= 0:
            yield f"Output {place} says little as a whole: such steps drown it in PyTorch as well."
    for first in verification.firsts:
        told = f"Output {first.output} puts the class first that PyTorch does in {first.agreed} of {first.rows} rows"
        if first.own:
            told += f"; PyTorch itself, its ops off by the steps of their bounds, in {first.own_agreed} of {first.own}"
        yield f"{told}. The score tells what runs on NNAPI, and nothing of this."
    for layer in verification.quantized:
        if not layer.numbers.is_within_tolerance:
            yield (
                f"Value {layer.value} is {layer.numbers.steps} steps off on {layer.numbers.steps_share or 0:.2%} of "
                "its elements, of what PyTorch has before it: more than its op's bound."
            )


def _numbers(name: str, found: Numbers) -> NumbersView:
    return NumbersView(
        name=name,
        type=f"{found.dtype}[{','.join(map(str, found.shape))}]",
        max_absolute=found.max_absolute,
        max_relative=found.max_relative,
        tolerance=found.tolerance if found.steps is None else None,
        signal_to_noise=found.signal_to_noise if math.isfinite(found.signal_to_noise) else None,
        steps=found.steps,
        steps_share=found.steps_share,
    )


def _layers(layers: Sequence[LayerNumbers], graph: Graph) -> Iterator[LayerView]:
    for layer in layers:
        origin = graph.values[layer.value].origin
        # What a part was given was computed by none of its operations.
        if isinstance(origin, NodeOutput):
            node = graph.by_id[origin.node]
            yield LayerView(node.id, node.op, place_words(node.source), _numbers(f"value {layer.value}", layer.numbers))
