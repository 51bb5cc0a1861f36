"""Random chains keep what is promised of them, and one that does not is made small."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.carrying import Carried, Carrier, ModelFileCarrier, Tensors, carrier_of
from benchmarks.chains import OTHERS, chain_of
from benchmarks.random_chains.drawing import run_eagerly
from benchmarks.random_chains.judging import Judge, Kind
from benchmarks.random_chains.shrinking import shrink
from benchmarks.random_chains.steps import Chain, ChainModule, Data, Form, Input, Rounding, Step, reproduction, script
from benchmarks.random_chains.yardstick import Reading, Yardstick
from nnapi_check.coverage_db.targets import NDK
from nnapi_check.lowering.ndk.host_run import HostRunner
from nnapi_check.lowering.verification.part_run import run_part

pytestmark = [
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning"),
]

X = Input(0, Data((2, 3, 5)))


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("seed", "others"),
    [*((seed, ()) for seed in range(100_000, 100_050, 10)), (100_050, tuple(OTHERS))],
)
def test_chains_keep_every_promise_at_every_level(seed: int, others: tuple[str, ...]) -> None:
    judge = Judge((1, 3, 8))

    outcomes = {number: judge.judge(chain_of(number, others)) for number in range(seed, seed + 10)}

    assert {number: outcome.faults for number, outcome in outcomes.items() if outcome.faults} == {}


@pytest.fixture(scope="module")
def ndk() -> Iterator[Carrier]:
    with carrier_of(NDK) as carrier:
        yield carrier


def test_chains_keep_every_promise_in_the_runtime_for_the_ndk(ndk: Carrier) -> None:
    judge = Judge((1, 3, 4, 8), ndk)

    outcomes = {number: judge.judge(chain_of(number, tuple(OTHERS))) for number in range(100_100, 100_115)}

    assert {number: outcome.faults for number, outcome in outcomes.items() if outcome.faults} == {}
    assert sum(outcome.counts["files run"] for outcome in outcomes.values()) > 15


DECIDED = Chain(
    2,
    Form.SCRIPTED,
    (X,),
    (Step("if bool({0}.sum() > 0):\n    {made} = {0} * 2.0\nelse:\n    {made} = -{0}", (0,), results=(1,)),),
    (1,),
)


def test_what_elements_decide_is_run_with_other_inputs_too(ndk: Carrier, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: set[bool] = set()

    def watched(carrier: ModelFileCarrier, path: Path, draws: Sequence[Tensors], level: int) -> Iterator[Carried]:
        taken.update(bool(x.sum() > 0) for (x,) in draws)
        return run(carrier, path, draws, level)

    run = ModelFileCarrier.run
    monkeypatch.setattr(ModelFileCarrier, "run", watched)

    outcome = Judge((4,), ndk).judge(DECIDED)

    assert (outcome.faults, outcome.counts["files run"], taken) == ([], 1, {True, False})


def test_a_file_that_gives_something_else_is_blamed(ndk: Carrier, monkeypatch: pytest.MonkeyPatch) -> None:
    def off(*arguments: object) -> object:
        ran = run(*arguments)  # type: ignore[arg-type]  # what the original is called with
        return replace(ran, outputs=tuple(1.01 * tensor for tensor in ran.outputs))

    run = HostRunner.run
    monkeypatch.setattr(HostRunner, "run", off)

    assert {fault.kind for fault in Judge((4,), ndk).judge(DECIDED).faults} == {Kind.NUMBERS}


def test_of_a_chain_that_the_ndk_does_not_carry_the_former_half_is_judged(ndk: Carrier) -> None:
    steps = (
        Step("torch.relu({0})", (0,), results=(1,)),
        Step("torch.linalg.svdvals({0})", (1,), results=(2,)),
    )

    outcome = Judge((8,), ndk).judge(Chain(1, Form.TRACED, (X,), steps, (2,)))

    assert outcome.counts["files run"] == 1
    assert [reason.partition(":")[0] for reason in outcome.reasons] == ["aten.linalg_svdvals.default"]


def test_chain_is_the_same_for_the_same_seed_and_computes_the_same_traced_or_scripted() -> None:
    chain = next(chain for chain in map(chain_of, range(100)) if len(chain.steps) > 5)

    assert chain == chain_of(chain.seed)
    traced = ChainModule(chain, chain.parameters())(*chain.tensors())
    scripted = script(chain, chain.parameters())(*chain.tensors())
    assert all(torch.equal(left, right) for left, right in zip(traced, scripted, strict=True))


def test_chain_that_raises_after_a_yes_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: object) -> object:
        raise ValueError("7 of 9")

    monkeypatch.setattr("benchmarks.random_chains.judging.lower_plan", refusing)

    (fault,) = Judge((3,)).judge(chain_of(1)).faults

    assert (fault.kind, fault.level, fault.words) == (Kind.RAISED, 3, "ValueError: 7 of 9")


def test_wrong_numbers_are_told_from_rounding_and_from_ties() -> None:
    steps = (
        Step("torch.tanh({0})", (0,), results=(1,), rounding=Rounding.ELEMENT),
        Step("{0} > {bound}", (1,), (("bound", 0.25),), results=(2,)),
    )
    smooth = Chain(1, Form.TRACED, (X,), steps[:1], (1,))
    (wanted,) = run_eagerly(smooth, smooth.tensors(), [1])
    bound = float(wanted.flatten()[4])
    tied = replace(smooth, steps=(steps[0], replace(steps[1], arguments=(("bound", bound),))), outputs=(2,))
    (decided,) = run_eagerly(tied, tied.tensors(), [2])
    on_tie, elsewhere = decided.flatten().clone(), decided.flatten().clone()
    on_tie[4], elsewhere[5] = ~on_tie[4], ~elsewhere[5]

    assert Yardstick(smooth).read(wanted * (1 + 1e-6), wanted) is Reading.LOSS
    assert Yardstick(smooth).read(wanted * 1.01, wanted) is Reading.FAULT
    assert Yardstick(smooth).read(wanted * 1.01, wanted, 0.02) is Reading.BOUND
    assert Yardstick(tied).read(on_tie.reshape(2, 3, 5), decided) is Reading.TIE
    assert Yardstick(tied).read(elsewhere.reshape(2, 3, 5), decided) is Reading.FAULT


def test_fault_is_shown_by_the_fewest_steps_and_simplest_arguments() -> None:
    def has_a_strided_pool(chain: Chain) -> bool:
        return any("max_pool" in step.template and dict(step.arguments).get("stride") for step in chain.steps)

    chain = next(chain for chain in map(chain_of, range(2000)) if has_a_strided_pool(chain) and len(chain.steps) > 4)

    smallest = shrink(chain, has_a_strided_pool)

    assert len(smallest.steps) == 1
    assert len(reproduction(smallest, 3, NDK).splitlines()) < 15
    run_eagerly(smallest, smallest.tensors(), smallest.outputs)


PROGRAM = """{made} = {0} * 1.0
for {made}_n0 in range(2):
    if bool({made}.sum() > 0.5):
        {made} = torch.tanh({made})
    else:
        {made} = -{made}
    {made} = {made} + {made}_n0
"""


def test_a_program_is_made_smaller_line_by_line() -> None:
    chain = Chain(1, Form.SCRIPTED, (X,), (Step(PROGRAM, (0,), results=(1,)),), (1,))

    smallest = shrink(chain, lambda smaller: any("torch.tanh" in step.template for step in smaller.steps))

    assert [line.strip() for line in smallest.steps[0].lines()] == ["v1 = v0 * 1.0", "v1 = torch.tanh(v1)"]


QUOTIENT = Chain(
    1,
    Form.TRACED,
    (X,),
    (
        Step("F.gelu({0})", (0,), results=(1,), rounding=Rounding.ELEMENT),
        Step("torch.log({0}.abs() + 0.5)", (1,), results=(2,), rounding=Rounding.ELEMENT),
    ),
    (2,),
)


def test_what_comes_after_an_approximate_step_is_held_to_what_its_bound_moves_in_pytorch() -> None:
    outcome = Judge((1,)).judge(QUOTIENT)

    assert outcome.faults == []
    assert outcome.counts[f"outputs {Reading.BOUND.value}"] > 0


def test_error_beyond_what_the_bound_moves_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    def off(*arguments: object) -> object:
        run = run_part(*arguments)  # type: ignore[arg-type]
        return replace(run, outputs={value: 1.005 * tensor for value, tensor in run.outputs.items()})

    monkeypatch.setattr("benchmarks.random_chains.judging.run_part", off)

    assert {fault.kind for fault in Judge((1,)).judge(QUOTIENT).faults} == {Kind.NUMBERS}


@pytest.mark.parametrize("seed", [702_128, 703_168])
def test_approximate_op_before_a_package_and_tie_with_a_zero_for_a_place_are_judged_rightly(seed: int) -> None:
    assert Judge((3,)).judge(chain_of(seed), packages=True).faults == []


def test_places_of_equal_elements_are_no_fault_in_what_an_op_becomes_inside() -> None:
    steps = (
        Step("torch.relu({0})", (0,), results=(1,)),
        Step("torch.topk({0}, {arguments})", (1,), (("k", 2),), rounding=Rounding.TIES, results=(2, 3)),
        Step("1 - {0}", (3,), results=(4,)),
    )
    chain = Chain(1, Form.SCRIPTED, (Input(0, Data((2, 5), low=-3.0, high=-1.0)),), steps, (4,))

    outcome = Judge((3, 8)).judge(chain)

    assert outcome.faults == []
    assert outcome.counts[f"outputs {Reading.TIE.value}"] > 0
