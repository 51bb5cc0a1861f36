"""The C++ runtime against a library that computes nothing, at the functions of every level."""

import ctypes
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nnapi_check.analyzer.graph import ElementType, PerTensor, TensorType
from nnapi_check.analyzer.tensor_types import random_tensor
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.ndk.program import AtPlace, Crossing, Program, ProgramInput, ProgramOutput
from nnapi_check.lowering.ndk.writing import write_program
from nnapi_check.lowering.nnapi.model import Computed, Model, ModelInput, Operand, Operation, QuantParams
from nnapi_check.lowering.packaging.border import Border
from nnapi_check.lowering.packaging.recipe_torch import stored
from nnapi_check.lowering.verification.part_run import inward
from tests.lowering.ndk.builds import fake_nnapi
from tests.lowering.ndk.client import (
    BURST,
    NNAPI,
    CallError,
    Handle,
    OptionsStruct,
    RoleStruct,
    Session,
    Status,
    call,
    created,
    functions,
    live_objects,
    set_input,
    set_output,
    tensor_of,
)
from tests.lowering.ndk.programs import CODES, NHWC, choosing, convolving

LEVELS = (1, 2, 3, 4, 5)
FLOATS = TensorType(ElementType.FLOAT32, (1, 2, 3, 4))
OPERANDS = {
    ElementType.FLOAT32: OperandType.TENSOR_FLOAT32,
    ElementType.FLOAT16: OperandType.TENSOR_FLOAT16,
    ElementType.INT64: OperandType.TENSOR_INT32,
    ElementType.INT32: OperandType.TENSOR_INT32,
    ElementType.BOOL: OperandType.TENSOR_BOOL8,
    ElementType.QUINT8: OperandType.TENSOR_QUANT8_ASYMM,
    ElementType.QINT8: OperandType.TENSOR_QUANT8_ASYMM,
}


def border_of(kind: TensorType, permutation: tuple[int, ...]) -> Border:
    nnapi, shape = kind, tuple(kind.shape[dim] for dim in permutation) if permutation else kind.shape
    match kind.dtype, kind.quant:
        case ElementType.QINT8, PerTensor(scale, zero_point):
            nnapi = TensorType(ElementType.QUINT8, shape, PerTensor(scale, zero_point + 128))
        case ElementType.INT64, _:
            nnapi = TensorType(ElementType.INT32, shape)
        case _:
            nnapi = replace(kind, shape=shape)
    return Border(0, kind, nnapi, permutation)


def passing(kind: TensorType, permutation: tuple[int, ...] = (), outputs: int = 1) -> Program:
    """A program that the fake library computes: it gives its input back, ``outputs`` times."""
    border = border_of(kind, permutation)
    quant = border.nnapi.quant
    params = QuantParams(quant.scale, quant.zero_point) if isinstance(quant, PerTensor) else QuantParams(0.0, 0)
    source = Operand(OPERANDS[kind.dtype], border.nnapi.shape, ModelInput(), params)
    model = Model((source, replace(source, source=Computed())), (Operation("RELU", (0,), (1,)),), (0,), (1,))
    return Program(
        level=1,
        model=model,
        places=(("aten.relu.default at model.py:3",),),
        inputs=(ProgramInput(Crossing("x", kind, permutation), AtPlace(0)),),
        outputs=tuple(ProgramOutput(Crossing(f"y{i}", kind, permutation), AtPlace(0)) for i in range(outputs)),
        notes="",
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_program(passing(FLOATS, NHWC), (), CODES, tmp_path / "model.nnc")
    return tmp_path / "model.nnc"


@pytest.fixture(params=LEVELS)
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    library = fake_nnapi(request.param)
    before = live_objects(library)
    with Session(library) as opened:
        assert functions().nnc_nnapi_feature_level(opened.nnapi) == request.param
        yield opened
    assert live_objects(library) == before


def image() -> np.ndarray:
    return np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)


def test_runs_repeat_at_every_level(session: Session, file: Path) -> None:
    run = session.run(session.program(session.model(file)))
    given, found = image(), np.zeros((1, 2, 3, 4), np.float32)
    set_input(run, 0, given)
    set_output(run, 0, found)

    for addend in range(3):
        given += addend
        call("nnc_run_compute", run)
        np.testing.assert_array_equal(found, given)


def test_a_run_takes_other_memory_meanwhile(session: Session, file: Path) -> None:
    run = session.run(session.program(session.model(file)), BURST)
    for addend in range(3):
        given, found = image() + addend, np.zeros((1, 2, 3, 4), np.float32)
        set_input(run, 0, given)
        set_output(run, 0, found)
        call("nnc_run_start", run)
        with pytest.raises(CallError, match="under way"):
            set_input(run, 0, given)
        call("nnc_run_wait", run)
        np.testing.assert_array_equal(found, given)


@pytest.mark.parametrize("permutation", [(), NHWC, (2, 0, 3, 1)], ids=str)
@pytest.mark.parametrize("dtype", OPERANDS, ids=lambda dtype: dtype.value)
def test_tensors_cross_as_the_interpreter_takes_them(
    dtype: ElementType, permutation: tuple[int, ...], tmp_path: Path
) -> None:
    quantized = {ElementType.QUINT8: PerTensor(0.5, 3), ElementType.QINT8: PerTensor(0.5, -3)}
    kind = TensorType(dtype, (2, 3, 5, 4), *([quantized[dtype]] if dtype in quantized else []))
    write_program(passing(kind, permutation), (), CODES, tmp_path / "model.nnc")
    tensor = random_tensor(kind, torch.Generator().manual_seed(3))
    wanted = inward(tensor, border_of(kind, permutation))
    seen, back = np.zeros_like(wanted), np.zeros_like(stored(tensor))

    with Session(fake_nnapi(5)) as session:
        run = session.run(session.program(session.model(tmp_path / "model.nnc")))
        set_input(run, 0, stored(tensor))
        set_output(run, 0, seen, NNAPI)
        call("nnc_run_compute", run)
        set_output(run, 0, back)
        call("nnc_run_compute", run)

    np.testing.assert_array_equal(seen, wanted)
    np.testing.assert_array_equal(back, stored(tensor))


def test_tensors_are_told_in_both_orders(file: Path) -> None:
    with Session(fake_nnapi(3)) as session:
        tensor = tensor_of(session.model(file), 0)

        assert (tensor.name, tensor.rank, list(tensor.shape)[:4]) == (b"x", 4, [1, 2, 3, 4])
        assert (tensor.nnapi_rank, list(tensor.nnapi_shape)[:4], tensor.byte_length) == (4, [1, 3, 4, 2], 96)


def test_outputs_that_are_one_value_are_filled_alike(tmp_path: Path) -> None:
    write_program(passing(FLOATS, NHWC, outputs=3), (), CODES, tmp_path / "model.nnc")
    given = image()
    found = [np.zeros((1, 2, 3, 4), np.float32) for _ in range(3)]
    with Session(fake_nnapi(3)) as session:
        run = session.run(session.program(session.model(tmp_path / "model.nnc")))
        set_input(run, 0, given)
        set_output(run, 0, found[0])
        set_output(run, 1, found[1], NNAPI)
        set_output(run, 2, found[2])

        call("nnc_run_compute", run)

    np.testing.assert_array_equal(found[0], given)
    np.testing.assert_array_equal(found[1].reshape(1, 3, 4, 2), given.transpose(NHWC))
    np.testing.assert_array_equal(found[2], given)


def test_inputs_that_are_passed_on_and_constants_are_given(tmp_path: Path) -> None:
    program, weights = convolving()
    write_program(program, weights, CODES, tmp_path / "model.nnc")
    same, constant = np.zeros(1, np.int64), np.zeros(1, np.int64)
    with Session(fake_nnapi(3)) as session:
        run = session.run(session.program(session.model(tmp_path / "model.nnc")))
        set_input(run, 0, np.array([77], np.int64))
        set_input(run, 1, np.zeros(40, np.uint8))
        set_output(run, 0, np.zeros(60, np.uint8))
        set_output(run, 1, same)
        set_output(run, 2, constant)

        call("nnc_run_compute", run)

    assert (same[0], constant[0]) == (77, -9)


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        ("addOperation:0", "adding operation 0, CONV_2D of aten.conv2d.default at features.0 model.py:12"),
        ("addOperand:4", "adding operand 4"),
        ("setOperandValue:3", "adding operand 3"),
        ("setChannels", "adding operand 1"),
        ("finish", "finishing a model"),
        ("compile", "compiling the model"),
    ],
)
def test_refusals_are_told_with_what_was_refused(
    refused: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, weights = convolving()
    write_program(program, weights, CODES, tmp_path / "model.nnc")
    monkeypatch.setenv("FAKE_REFUSES", refused)

    with Session(fake_nnapi(3)) as session, pytest.raises(CallError) as caught:
        session.program(session.model(tmp_path / "model.nnc"))

    assert str(caught.value) == f"{words}: NNAPI says BAD_DATA, something is not as it must be"
    assert caught.value.status is Status.REFUSED
    assert live_objects(fake_nnapi(3)) == 0


def test_a_computation_that_fails_is_told_and_can_be_repeated(
    session: Session, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = session.run(session.program(session.model(file)))
    given, found = image(), np.zeros((1, 2, 3, 4), np.float32)
    set_input(run, 0, given)
    set_output(run, 0, found)
    monkeypatch.setenv("FAKE_REFUSES", "compute")
    with pytest.raises(CallError, match="NNAPI says BAD_DATA"):
        call("nnc_run_compute", run)
    monkeypatch.delenv("FAKE_REFUSES")

    call("nnc_run_compute", run)

    np.testing.assert_array_equal(found, given)


def test_a_model_of_a_higher_level_is_refused_in_words(tmp_path: Path) -> None:
    write_program(choosing(), (), CODES, tmp_path / "model.nnc")

    with Session(fake_nnapi(3)) as session, pytest.raises(CallError) as caught:
        session.program(session.model(tmp_path / "model.nnc"))

    assert "needs feature level 4 (Android 11); NNAPI here has level 3 (Android 10)" in str(caught.value)
    assert caught.value.status is Status.LEVEL_TOO_LOW


def test_models_of_if_are_built(tmp_path: Path) -> None:
    write_program(choosing(), (), CODES, tmp_path / "model.nnc")

    with Session(fake_nnapi(4)) as session:
        session.program(session.model(tmp_path / "model.nnc"))

    assert live_objects(fake_nnapi(4)) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device_name": b"other"}, "none of the 2 devices fits"),
        ({"device_name": b"nnapi-reference", "refuses_reference": True}, "none of the 2 devices fits"),
        ({"device_type": 3}, "none of the 2 devices fits"),
    ],
)
def test_a_device_that_is_not_there_is_refused(options: dict[str, object], words: str, file: Path) -> None:
    with Session(fake_nnapi(3)) as session, pytest.raises(CallError, match=words):
        session.program(session.model(file), **options)


@pytest.mark.parametrize(
    "options", [{"device_name": b"fake-accelerator"}, {"device_type": 4}, {"refuses_reference": True}]
)
def test_a_device_is_chosen_and_measured(options: dict[str, object], file: Path) -> None:
    hardware, driver = ctypes.c_uint64(), ctypes.c_uint64()
    with Session(fake_nnapi(4)) as session:
        model = session.model(file)
        program = session.program(model, compile_timeout_ns=10**9, run_timeout_ns=10**9, priority=110, **options)
        run = session.run(program)
        set_input(run, 0, image())
        set_output(run, 0, np.zeros(24, np.float32))
        call("nnc_run_measure", run, True)

        call("nnc_run_compute", run)
        call("nnc_run_duration", run, ctypes.byref(hardware), ctypes.byref(driver))

    assert (hardware.value, driver.value) == (100, 101)


def test_an_operation_that_no_device_has_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_REFUSES", "supports:0")

    with Session(fake_nnapi(3)) as session, pytest.raises(CallError) as caught:
        session.program(session.model(file), refuses_reference=True)

    assert "do not compute 1 of 1 operations: first RELU of aten.relu.default at model.py:3" in str(caught.value)


def test_what_a_level_lacks_is_told(file: Path) -> None:
    with Session(fake_nnapi(2)) as session:
        model = session.model(file)
        with pytest.raises(CallError, match="a device can be chosen from feature level 3"):
            session.program(model, refuses_reference=True)
        program = session.program(model, cache_directory=b"/tmp", priority=110, run_timeout_ns=1)
        run = session.run(program, BURST)
        with pytest.raises(CallError, match="measured from feature level 3"):
            call("nnc_run_measure", run, True)
        with pytest.raises(CallError, match="wait for fences from feature level 4"):
            call("nnc_run_start_after", run, None, 0, ctypes.byref(ctypes.c_int()))
        role = RoleStruct(program, False, 0)
        with pytest.raises(CallError, match="share memory from feature level 4"):
            created("nnc_memory_create", session.nnapi, ctypes.byref(role), 1)


def test_memory_passes_from_program_to_program(file: Path) -> None:
    given, found = image(), np.zeros((1, 2, 3, 4), np.float32)
    with Session(fake_nnapi(4)) as session:
        program = session.program(session.model(file))
        roles = (RoleStruct * 2)(RoleStruct(program, True, 0), RoleStruct(program, False, 0))
        first = session.memory(lambda: created("nnc_memory_create", session.nnapi, roles, 2))
        second = session.memory(lambda: created("nnc_memory_create", session.nnapi, roles, 2))
        filling, reading = session.run(program), session.run(program)
        set_input(filling, 0, given)
        call("nnc_run_set_output_memory", filling, 0, first, ctypes.c_size_t(0), ctypes.c_size_t(0))
        call("nnc_run_compute", filling)
        call("nnc_memory_copy", first, second)
        call("nnc_run_set_input_memory", reading, 0, second, ctypes.c_size_t(0), ctypes.c_size_t(0))
        set_output(reading, 0, found)

        call("nnc_run_compute", reading)

    np.testing.assert_array_equal(found, given)


def test_a_run_begins_after_fences(file: Path) -> None:
    given, found, fence = image(), np.zeros((1, 2, 3, 4), np.float32), ctypes.c_int(5)
    with Session(fake_nnapi(4)) as session:
        run = session.run(session.program(session.model(file)))
        set_input(run, 0, given)
        set_output(run, 0, found)

        call("nnc_run_start_after", run, (ctypes.c_int * 2)(-1, 0), 2, ctypes.byref(fence))
        call("nnc_run_wait", run)

    np.testing.assert_array_equal(found, given)
    assert fence.value == -1


def test_wrong_calls_are_refused(session: Session, file: Path) -> None:
    run = session.run(session.program(session.model(file)))
    with pytest.raises(CallError, match="the input x is not set"):
        call("nnc_run_compute", run)
    with pytest.raises(CallError, match="x has 96 bytes, 92 were given"):
        set_input(run, 0, np.zeros(23, np.float32))
    with pytest.raises(CallError, match="there is no output 1"):
        set_output(run, 1, image())
    with pytest.raises(CallError, match="was not started"):
        call("nnc_run_wait", run)
    with pytest.raises(CallError, match="null"):
        call("nnc_run_compute", None)
    with pytest.raises(CallError, match="no such preference"):
        session.program(session.model(file), preference=9)


def test_a_device_without_nnapi_is_told(tmp_path: Path) -> None:
    (tmp_path / "libother.so").write_bytes(b"")

    with pytest.raises(CallError, match=r"libother\.so cannot be loaded") as caught:
        Session(tmp_path / "libother.so")

    assert caught.value.status is Status.NO_NNAPI


def test_files_that_are_none_are_refused(tmp_path: Path, file: Path) -> None:
    data = file.read_bytes()
    with Session(fake_nnapi(1)) as session:
        with pytest.raises(CallError, match="cannot be opened"):
            session.model(tmp_path / "missing.nnc")
        with pytest.raises(CallError, match="is no file"):
            session.model(tmp_path)
        for damaged, words in (
            (data[:100], "too short"),
            (b"x" + data[1:], "no model file"),
            (data[:8] + b"\2" + data[9:], "version 2, this runtime reads version 1"),
            (data[:20] + b"\1" + data[21:], "header does not have its checksum"),
            (data + b"x", "does not end where its weights do"),
            (data[:200] + bytes([data[200] ^ 1]) + data[201:], "structure does not have its checksum"),
        ):
            file.write_bytes(damaged)
            with pytest.raises(CallError, match=words):
                session.model(file)


def test_a_model_inside_another_file_is_read_where_it_lies(tmp_path: Path) -> None:
    program, weights = convolving()
    write_program(program, weights, CODES, tmp_path / "model.nnc")
    data = (tmp_path / "model.nnc").read_bytes()
    # No alignment is promised for an app's assets.
    (tmp_path / "app.apk").write_bytes(b"z" * 5003 + data + b"z" * 77)
    with Session(fake_nnapi(3)) as session, (tmp_path / "app.apk").open("rb") as package:
        offset, length = ctypes.c_int64(5003), ctypes.c_int64(len(data))
        model = session._keep("nnc_model_free", created("nnc_model_open_fd", package.fileno(), offset, length))
        call("nnc_model_check_weights", model)
        session.program(model)
        with pytest.raises(CallError, match="ends before the length"):
            created("nnc_model_open_fd", package.fileno(), offset, ctypes.c_int64(len(data) + 78))


def test_changed_weights_are_found_where_asked_for(tmp_path: Path) -> None:
    program, weights = convolving()
    path = tmp_path / "model.nnc"
    write_program(program, weights, CODES, path)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with Session(fake_nnapi(3)) as session:
        model = session.model(path)

        with pytest.raises(CallError, match="weights do not have their checksum"):
            call("nnc_model_check_weights", model)


def test_the_default_options_ask_for_nothing_special() -> None:
    options = functions().nnc_default_options()

    assert isinstance(options, OptionsStruct)
    assert (options.preference, options.device_type, options.device_name) == (-1, 0, None)
    assert isinstance(Handle(), ctypes.c_void_p)
