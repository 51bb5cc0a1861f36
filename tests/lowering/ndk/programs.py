"""Programs made by hand, with everything in them that a model file can hold."""

import numpy as np

from nnapi_check.analyzer.graph import NOT_QUANTIZED, ElementType, PerTensor, TensorType
from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.ndk.program import (
    UNREAD,
    AtPlace,
    Crossing,
    PassedOn,
    Program,
    ProgramInput,
    ProgramOutput,
    Stored,
)
from nnapi_check.lowering.ndk.writing import Weight
from nnapi_check.lowering.nnapi.model import (
    UNKNOWN_RANK,
    UNSPECIFIED,
    Buffer,
    ChannelQuantParams,
    Computed,
    Immediate,
    Model,
    ModelInput,
    NoValue,
    Operand,
    Operation,
    QuantParams,
    Reference,
)

CODES = {name: facts.code for name, facts in load_operations().items()}
NAMES = {code: name for name, code in CODES.items()}
NHWC = (0, 2, 3, 1)
FLOATS = OperandType.TENSOR_FLOAT32


def floats(*shape: int) -> TensorType:
    return TensorType(ElementType.FLOAT32, shape)


def scalar(number: int) -> Operand:
    return Operand(OperandType.INT32, (), Immediate(number.to_bytes(4, "little", signed=True)))


def branch(kind: str) -> Model:
    """A model of one operation."""
    return Model(
        (Operand(FLOATS, (2, 3), ModelInput()), Operand(FLOATS, (2, 3), Computed())),
        (Operation(kind, (0,), (1,)),),
        (0,),
        (1,),
    )


def choosing() -> Program:
    """An IF whose second branch holds another one, and whose condition is an input."""
    condition = Operand(OperandType.TENSOR_BOOL8, (1,), ModelInput())

    def chooser(first: int, second: int, *, referenced: tuple[Model, ...] = ()) -> Model:
        operands = (
            condition,
            Operand(OperandType.MODEL, (), Reference(first)),
            Operand(OperandType.MODEL, (), Reference(second)),
            Operand(FLOATS, (2, 3), ModelInput()),
            Operand(FLOATS, (2, 3), Computed()),
        )
        return Model(operands, (Operation("IF", (0, 1, 2, 3), (4,)),), (0, 3), (4,), referenced)

    inner = Model(
        (
            Operand(FLOATS, (2, 3), ModelInput()),
            Operand(OperandType.TENSOR_BOOL8, (1,), Immediate(b"\1")),
            Operand(OperandType.MODEL, (), Reference(0)),
            Operand(OperandType.MODEL, (), Reference(2)),
            Operand(FLOATS, (2, 3), Computed()),
        ),
        (Operation("IF", (1, 2, 3, 0), (4,)),),
        (0,),
        (4,),
    )
    # The model that refers to others stands between those, so that a file must order them.
    main = chooser(0, 1, referenced=(branch("RELU"), inner, branch("TANH")))
    return Program(
        level=4,
        model=main,
        places=(("aten.relu at here",), ("relu",), ("if",), ("tanh",)),
        inputs=(
            ProgramInput(Crossing("choice", TensorType(ElementType.BOOL, (1,))), AtPlace(0)),
            ProgramInput(Crossing("x", floats(2, 3)), AtPlace(1)),
        ),
        outputs=(ProgramOutput(Crossing("output_0", floats(2, 3)), AtPlace(0)),),
        notes="{}",
    )


def convolving() -> tuple[Program, tuple[Weight, ...]]:
    """A convolution of NHWC images with a scale per channel, an omitted operand, and outputs of every origin."""
    quant = TensorType(ElementType.QUINT8, (1, 2, 5, 4), PerTensor(0.5, 3))
    operands = (
        Operand(OperandType.TENSOR_QUANT8_ASYMM, (1, 5, 4, 2), ModelInput(), QuantParams(0.5, 3)),
        Operand(
            OperandType.TENSOR_QUANT8_SYMM_PER_CHANNEL,
            (3, 1, 1, 2),
            Buffer(0, 0, 6),
            channels=ChannelQuantParams((0.5, 0.25, 0.125), 0),
        ),
        Operand(OperandType.TENSOR_INT32, (3,), Buffer(0, 64, 12)),
        *(scalar(number) for number in (0, 0, 0, 0, 1, 1, 0)),
        Operand(OperandType.TENSOR_QUANT8_ASYMM, (1, 5, 4, 3), Computed(), QuantParams(1.5, 7)),
        Operand(FLOATS, UNKNOWN_RANK, NoValue()),
        Operand(FLOATS, (2, UNSPECIFIED), Computed()),
    )
    model = Model(operands, (Operation("CONV_2D", tuple(range(10)), (10,)),), (0,), (10,), relaxed=True)
    weights = (
        Weight(0, 6, lambda: np.arange(6, dtype=np.uint8)),
        Weight(64, 12, lambda: np.array([5, -6, 7], np.int32).view(np.uint8)),
        Weight(128, 8, lambda: np.array([-9], np.int64).view(np.uint8)),
    )
    program = Program(
        level=3,
        model=model,
        places=(("aten.conv2d.default at features.0 model.py:12",),),
        inputs=(
            ProgramInput(Crossing("unread", TensorType(ElementType.INT64, (), NOT_QUANTIZED)), UNREAD),
            ProgramInput(Crossing("image", quant, NHWC), AtPlace(0)),
        ),
        outputs=(
            ProgramOutput(
                Crossing("out", TensorType(ElementType.QUINT8, (1, 3, 5, 4), PerTensor(1.5, 7)), NHWC), AtPlace(0)
            ),
            ProgramOutput(Crossing("same", TensorType(ElementType.INT64, ())), PassedOn(0)),
            ProgramOutput(Crossing("constant", TensorType(ElementType.INT64, (1,))), Stored(128, 8)),
        ),
        notes='{"of": "tests"}',
    )
    return program, weights
