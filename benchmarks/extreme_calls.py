"""Compute constants of extreme numbers by every op that may be: none may end the process, for files are untrusted.

    python benchmarks/extreme_calls.py [OP ...]

The calls are those of PyTorch's OpInfo and of the cards' examples, as the dispatcher sees them, held to what constants
may be computed of. One argument at a time changes: a number becomes 0, negative, or as great as there is, indices
point beyond, floats are infinite or undefined, and tensors lose dimensions or elements. Ops run in processes of their
own, of 12 GB at most. Exit code 1 where one dies.
"""

from __future__ import annotations

import argparse
import faulthandler
import itertools
import os
import resource
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from math import inf, nan
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch.utils import _pytree as trees
from torch.utils._python_dispatch import TorchDispatchMode

from nnapi_check.analyzer.ops.allowed_ops import may_be_computed
from nnapi_check.analyzer.ops.bounded_calls import BoundedCalls, Bounds
from nnapi_check.coverage_db.card_reading import load_cards
from nnapi_check.coverage_db.checks import CardError
from nnapi_check.lowering.examples.modules import example_module

Call = tuple[Callable[..., object], tuple[object, ...], dict[str, object]]

ROOM = Bounds(1 << 20, 1 << 24)
"""As much as constants may hold."""

SECONDS = 20
"""How long a call may take before its process is ended: no code of Python could, while a kernel runs."""

_INTEGERS = (0, -1, -7, 7, 2**31 - 1, 2**31, 2**40, -(2**62), 2**62)
_FLOATS = (inf, -inf, nan, 0.0, -1.5, 1e308, 1e-320, 1e18, -1e18)
_PLACES = (-1, 10**6, 2**31 - 1, -(2**31))
_OF_EACH = 3
_SAMPLES = 6
_MOST_DEATHS = 3
_MEMORY = 12 << 30


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # it has no types
    """Keeps a few calls of each op that may be computed, as they come to the dispatcher."""

    def __init__(self, calls: dict[str, list[Call]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self._calls = calls

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        kept = self._calls.setdefault(str(func), [])
        if len(kept) < _OF_EACH and may_be_computed(func._schema.name):
            kept.append((func, trees.tree_map(_copied, args), trees.tree_map(_copied, kwargs or {})))
        return func(*args, **(kwargs or {}))


def _copied(item: object) -> object:
    return item.detach().clone() if isinstance(item, torch.Tensor) else item


def recorded() -> dict[str, list[Call]]:
    """A few calls of each op, by its name."""
    from torch.testing._internal.common_methods_invocations import op_db

    calls: dict[str, list[Call]] = {}
    torch.manual_seed(0)
    for op, dtype in itertools.product(op_db, (torch.float32, torch.int64)):
        if dtype not in op.supported_dtypes("cpu"):  # type: ignore[no-untyped-call]  # as above
            continue
        with suppress(Exception):  # samples are made lazily, and PyTorch raises what it likes
            samples = op.sample_inputs("cpu", dtype, requires_grad=False)  # type: ignore[no-untyped-call]  # as above
            for sample in itertools.islice(samples, _SAMPLES):
                with suppress(Exception), _Recorder(calls):
                    op(sample.input, *sample.args, **sample.kwargs)
    for card in load_cards().values():
        for example in (example for way in card.ways for example in way.examples):
            with suppress(CardError, RuntimeError, IndexError, ValueError, TypeError):
                made = example_module(card, example)
                with _Recorder(calls):
                    made.module(*made.inputs)
    return {name: found for name, found in calls.items() if found}


def varied(call: Call) -> Iterator[Call]:
    """The call with one of its arguments, or of their elements, changed."""
    func, args, kwargs = call
    leaves, form = trees.tree_flatten((args, kwargs))
    for place, leaf in enumerate(leaves):
        for other in _others(leaf):
            given, named = trees.tree_unflatten([*leaves[:place], other, *leaves[place + 1 :]], form)
            yield func, given, named


def _others(leaf: object) -> Iterator[object]:
    if isinstance(leaf, bool):
        return
    if isinstance(leaf, int):
        yield from _INTEGERS
    elif isinstance(leaf, float):
        yield from _FLOATS
    elif isinstance(leaf, torch.Tensor) and leaf.numel() and not leaf.is_quantized:
        flat = leaf.reshape(-1)
        yield from (flat, flat[:1], flat[:0], flat[0], leaf.unsqueeze(0))
        if leaf.dtype in (torch.int32, torch.int64):
            yield from (torch.full_like(leaf, place) for place in _PLACES)
            yield from (torch.cat([flat[:-1], flat.new_tensor([place])]).reshape(leaf.shape) for place in _PLACES)
        elif leaf.dtype is torch.float32:
            yield from (torch.full_like(leaf, number) for number in (nan, inf, 1e30, -1e30))


def deaths(calls: Sequence[Call]) -> Iterator[tuple[Call, int]]:
    """Calls that end the process that makes them, with its exit code; some of them at most."""
    start, found = 0, 0
    while start < len(calls) and found < _MOST_DEATHS:
        code, last = _made(calls, start)
        if code == 0:
            return
        yield calls[last], code
        start, found = last + 1, found + 1


def _made(calls: Sequence[Call], start: int) -> tuple[int, int]:
    """Make the calls in a process of their own: its exit code, and the call that it came to."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        # Its death is an answer, and no news for whoever watches this process.
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        faulthandler.disable()
        for place in range(start, len(calls)):
            os.write(writer, place.to_bytes(4, "little"))
            func, args, kwargs = calls[place]
            signal.alarm(SECONDS)
            with suppress(Exception), BoundedCalls(ROOM):
                func(*args, **kwargs)
            signal.alarm(0)
        os._exit(0)
    os.close(writer)
    told = b""
    while part := os.read(reader, 1 << 16):
        told += part
    os.close(reader)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, int.from_bytes(told[-4:], "little") if told else start


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the calls, and print those that end a process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ops", nargs="*", help="only ops with one of these in their names")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    count = dead = 0
    found = recorded()
    for name in sorted(found):
        if options.ops and not any(part in name for part in options.ops):
            continue
        tried = [other for call in found[name] for other in varied(call)]
        count += len(tried)
        for (_, args, kwargs), code in deaths(tried):
            dead += 1
            print(name, code, str(trees.tree_map(_told, (args, kwargs)))[:300], flush=True)
    print(f"{len(found)} ops, {count} calls, {dead} end the process")
    return 1 if dead else 0


def _told(item: object) -> object:
    return f"{item.dtype}{list(item.shape)}" if isinstance(item, torch.Tensor) else item


if __name__ == "__main__":
    raise SystemExit(main())
