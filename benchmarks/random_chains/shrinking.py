"""Making a chain smaller for as long as it shows the same fault."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from benchmarks.random_chains.drawing import UnfitError, run_eagerly, without_unused
from benchmarks.random_chains.steps import Chain, Data, Form, Input, Step, Written

Shows = Callable[[Chain], bool]


def shrink(chain: Chain, shows: Shows, seconds: float = 20.0) -> Chain:
    """The smallest chain found that still ``shows`` the fault."""
    until = time.monotonic() + seconds
    found = True
    while found and time.monotonic() < until:
        found = False
        for smaller in _smaller(chain):
            if time.monotonic() > until:
                break
            if smaller != chain and _runs(smaller) and shows(smaller):
                chain, found = smaller, True
                break
    return chain


def _runs(chain: Chain) -> bool:
    if not chain.outputs or not chain.inputs or not chain.steps:
        return False
    try:
        run_eagerly(chain, chain.tensors(), chain.outputs)
    except (RuntimeError, ValueError, IndexError, TypeError, UnfitError, SyntaxError, NameError):
        return False
    return True


def _smaller(chain: Chain) -> Iterator[Chain]:
    values = [value for step in chain.steps for value in step.results]
    if len(chain.outputs) > 1 or chain.outputs != tuple(values[-1:]):
        for value in values:
            yield without_unused(replace(chain, outputs=(value,)))
    if len(chain.outputs) > 1:
        for dropped in chain.outputs:
            yield without_unused(replace(chain, outputs=tuple(value for value in chain.outputs if value != dropped)))
    made = dict(zip(values, run_eagerly(chain, chain.tensors(), values), strict=True))
    for step in chain.steps:
        yield without_unused(_with_inputs_for(chain, step, made))
    for step in chain.steps:
        yield from _bypassed(chain, step, made)
    if chain.form is Form.SCRIPTED:
        yield replace(chain, form=Form.TRACED)
    for step in chain.steps:
        for simpler in _simpler_steps(step):
            yield replace(chain, steps=tuple(simpler if item is step else item for item in chain.steps))
    yield from _with_smaller_sizes(chain)


def _with_inputs_for(chain: Chain, step: Step, made: dict[int, torch.Tensor]) -> Chain:
    """Inputs in place of what a step makes."""
    inputs = tuple(Input(value, _like(made[value])) for value in step.results if value not in chain.outputs)
    outputs = tuple(value for value in chain.outputs if value not in step.results)
    steps = tuple(item for item in chain.steps if item is not step)
    return replace(chain, inputs=(*chain.inputs, *inputs), steps=steps, outputs=outputs)


def _like(tensor: torch.Tensor) -> Data:
    shape = tuple(tensor.shape)
    if tensor.dtype.is_floating_point or tensor.dtype is torch.bool:
        return Data(shape, tensor.dtype)
    return Data(shape, tensor.dtype, 0, max(1, int(tensor.max()) + 1))


def _bypassed(chain: Chain, step: Step, made: dict[int, torch.Tensor]) -> Iterator[Chain]:
    """Without a step, where one of its operands can stand for what it makes."""
    given = dict(zip((item.value for item in chain.inputs), chain.tensors(), strict=True)) | made
    for operand in step.operands:
        same = given[operand].dtype == made[step.results[0]].dtype
        if same and len(step.results) == 1:
            stands = {step.results[0]: operand}
            steps = tuple(
                replace(item, operands=tuple(stands.get(value, value) for value in item.operands))
                for item in chain.steps
                if item is not step
            )
            outputs = tuple(dict.fromkeys(stands.get(value, value) for value in chain.outputs))
            yield without_unused(replace(chain, steps=steps, outputs=outputs))


def _simpler_steps(step: Step) -> Iterator[Step]:
    yield from (replace(step, template=template) for template in _simpler_programs(step.template))
    for place, (name, value) in enumerate(step.arguments):
        before, after = step.arguments[:place], step.arguments[place + 1 :]
        if "{arguments}" in step.template:
            yield replace(step, arguments=(*before, *after))
        for simpler in _simpler(value):
            yield replace(step, arguments=(*before, (name, simpler), *after))


def _simpler_programs(template: str) -> Iterator[str]:
    """Without a line and what stands inside it, or without a line around others."""
    lines = template.splitlines()
    for place, line in enumerate(lines):
        end = next((at for at in range(place + 1, len(lines)) if _indent(lines[at]) <= _indent(line)), len(lines))
        if len(lines) > 1:
            yield "\n".join((*lines[:place], *lines[end:]))
        if end > place + 1:
            yield "\n".join((*lines[:place], *(inner[4:] for inner in lines[place + 1 : end]), *lines[end:]))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _simpler(value: Written) -> Iterator[Written]:
    match value:
        case bool():
            if value:
                yield False
        case int():
            yield from (number for number in (0, 1, value // 2, value - 1) if abs(number) < abs(value))
        case float():
            yield from (number for number in (1.0, 2.0) if number < value)
        case tuple():
            for place, item in enumerate(value):
                for simpler in _simpler(item):
                    yield (*value[:place], simpler, *value[place + 1 :])
        case str() | None:
            return


def _with_smaller_sizes(chain: Chain) -> Iterator[Chain]:
    """One size made smaller wherever it occurs in inputs, or there and in parameters and arguments."""
    sizes = {size for item in chain.inputs for size in item.data.shape if size > 1}
    for size in sorted(sizes, reverse=True):
        for smaller in sorted({1, 2, size // 2, size - 1} - {size, 0}):
            inputs = tuple(replace(item, data=_resized(item.data, size, smaller)) for item in chain.inputs)
            yield replace(chain, inputs=inputs)
            steps = tuple(
                replace(
                    step,
                    parameters=tuple(_resized(data, size, smaller) for data in step.parameters),
                    arguments=tuple((name, _exchanged(value, size, smaller)) for name, value in step.arguments),
                )
                for step in chain.steps
            )
            yield replace(chain, inputs=inputs, steps=steps)


def _resized(data: Data, size: int, smaller: int) -> Data:
    return replace(data, shape=tuple(smaller if item == size else item for item in data.shape))


def _exchanged(value: Written, size: int, smaller: int) -> Written:
    if isinstance(value, tuple):
        return tuple(_exchanged(item, size, smaller) for item in value)
    return smaller if value == size and isinstance(value, int) else value
