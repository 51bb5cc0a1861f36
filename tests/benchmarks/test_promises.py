from dataclasses import replace

import pytest
import torch

from benchmarks.agreement import Disagreement
from benchmarks.carrying import carrier_of
from benchmarks.draws import Draw
from benchmarks.promises import Answer, Broken, hold
from nnapi_check.coverage_db.targets import NDK
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.rule_table import Rule, rules
from nnapi_check.lowering.ndk.host_run import HostRun, HostRunner

X = torch.tensor([[1.0, -2.0, 3.0]])


class Floor(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.floor(x)


def held() -> Answer:
    module = torch.jit.trace(Floor(), X)  # type: ignore[no-untyped-call]  # it has no types
    return hold(module, {Draw.SAMPLE: (X,), Draw.FINITE: (X + 0.5,)}, (1, 8))


def with_rule(monkeypatch: pytest.MonkeyPatch, rule: Rule) -> None:
    monkeypatch.setitem(rules(["elementary"]), ("aten.floor.default", "operation"), rule)


def test_what_holds_has_no_fault_at_any_level() -> None:
    assert held() == Answer("", (1, 8), ())


def test_a_rule_that_computes_something_else_is_told_with_its_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    def to_nothing(_node: NodeReader, emit: Emitter) -> OperandId:
        return emit.copied(emit.input("self"))

    with_rule(monkeypatch, to_nothing)

    assert {(fault.kind, fault.draw) for fault in held().faults} == {(Disagreement.FINITE, Draw.FINITE)}


def test_a_model_file_that_gives_other_bits_than_its_part_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def off(*arguments: object) -> HostRun:
        ran = run(*arguments)  # type: ignore[arg-type]  # what the original is called with
        return replace(ran, outputs=(ran.outputs[0] + 1e-6,))

    run = HostRunner.run
    module = torch.jit.trace(Floor(), X)  # type: ignore[no-untyped-call]  # it has no types
    with carrier_of(NDK) as carrier:
        assert hold(module, {Draw.SAMPLE: (X,)}, (8,), carrier) == Answer("", (8,), ())
        monkeypatch.setattr(HostRunner, "run", off)
        faults = hold(module, {Draw.SAMPLE: (X,)}, (8,), carrier).faults

    assert {fault.kind for fault in faults} == {Broken.CARRIED}


def test_a_rule_that_raises_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_node: NodeReader, _emit: Emitter) -> OperandId:
        raise IndexError("list index out of range")

    with_rule(monkeypatch, fails)

    assert {(fault.kind, fault.told) for fault in held().faults} == {
        (Broken.LOWERING, "IndexError: list index out of range")
    }
