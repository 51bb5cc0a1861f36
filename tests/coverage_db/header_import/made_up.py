"""Headers and specifications of our own making, for levels that Android never had."""

from __future__ import annotations

from pathlib import Path

from tests.registry_numbers import NEXT_CODE, NEXT_LEVEL


def _numbered(text: str) -> str:
    """The text of an operation with the first level and the first codes that the registry does not have."""
    numbers = {"%LEVEL": NEXT_LEVEL, "%CODE": NEXT_CODE, "%NEXT_CODE": NEXT_CODE + 1}
    for word, number in numbers.items():
        text = text.replace(word, str(number))
    return text


WHIRL = _numbered("""
    /**
     * Turns each element by an angle.
     *
     * Supported tensor {@link OperandCode}:
     * * {@link ANEURALNETWORKS_TENSOR_FLOAT32}
     * * {@link ANEURALNETWORKS_TENSOR_FLOAT16}
     *
     * Supported tensor rank: up to 4
     *
     * Inputs:
     * * 0: What is turned.
     * * 1: An {@link ANEURALNETWORKS_INT32} scalar specifying the axis.
     * * 2: An optional {@link ANEURALNETWORKS_BOOL} scalar, default to false.
     *      Set to true to turn the other way.
     *
     * Outputs:
     * * 0: What was turned, of the same {@link OperandCode} as input0.
     *
     * Available since NNAPI feature level %LEVEL.
     */
    ANEURALNETWORKS_WHIRL = %CODE,
""")

ERFINV = _numbered("""
    /**
     * Inverse of the error function.
     *
     * Supported tensor {@link OperandCode}:
     * * {@link ANEURALNETWORKS_TENSOR_FLOAT32}
     *
     * Supported tensor rank: from 1
     *
     * Inputs:
     * * 0: A tensor.
     *
     * Outputs:
     * * 0: A tensor of the same {@link OperandCode} as input0.
     *
     * Available since NNAPI feature level %LEVEL.
     */
    ANEURALNETWORKS_ERFINV = %NEXT_CODE,
""")

FLOOR = _numbered("""
    /**
     * Rounds down.
     *
     * Supported tensor {@link OperandCode}:
     * * {@link ANEURALNETWORKS_TENSOR_FLOAT32}
     * * {@link ANEURALNETWORKS_TENSOR_FLOAT16} (since NNAPI feature level 3)
     * * {@link ANEURALNETWORKS_TENSOR_QUANT8_ASYMM} (since NNAPI feature level %LEVEL)
     *
     * Supported tensor rank: up to 4
     *
     * Inputs:
     * * 0: A tensor.
     *
     * Outputs:
     * * 0: A tensor of the same {@link OperandCode} as input0.
     *
     * Available since NNAPI feature level 1.
     */
    ANEURALNETWORKS_FLOOR = 8,
""")

CHANNEL_SHUFFLE = _numbered("""
    /**
     * Shuffles channels.
     *
     * Supported tensor {@link OperandCode}:
     * * {@link ANEURALNETWORKS_TENSOR_FLOAT16}
     * * {@link ANEURALNETWORKS_TENSOR_FLOAT32}
     * * {@link ANEURALNETWORKS_TENSOR_QUANT8_ASYMM}
     * * {@link ANEURALNETWORKS_TENSOR_QUANT8_ASYMM_SIGNED} (since NNAPI feature level 4)
     *
     * Supported tensor rank: up to 4
     *
     * Inputs:
     * * 0: An n-D tensor.
     * * 1: An {@link ANEURALNETWORKS_INT32} scalar, specifying the number of
     *      groups.
     * * 2: An {@link ANEURALNETWORKS_INT32} scalar, specifying the dimension.
     * * 3: An optional {@link ANEURALNETWORKS_BOOL} scalar, default to false.
     *      Set to true to shuffle back.
     *      Available since NNAPI feature level %LEVEL.
     *
     * Outputs:
     * * 0: A tensor of the same {@link OperandCode} and same shape as input0.
     *
     * Available since NNAPI feature level 3.
     */
    ANEURALNETWORKS_CHANNEL_SHUFFLE = 46,
""")

HEADER = """
#ifndef MADE_UP_TYPES_H
#define MADE_UP_TYPES_H

/**
 * Operations.
 */
typedef enum {{
{operations}
}} OperationCode;

/** Priorities. Available since NNAPI feature level 4. */
typedef enum {{
    ANEURALNETWORKS_PRIORITY_LOW = 90,
    /** Available since NNAPI feature level {level}. */
    ANEURALNETWORKS_PRIORITY_URGENT = 120,
}} PriorityCode;

/** Levels. */
typedef enum {{
    /** Made up, available in Android Z */
    ANEURALNETWORKS_FEATURE_LEVEL_{level} = {number},
}} FeatureLevelCode;

#endif
"""

SPECIFICATION = """\
%% A made-up specification.
%define-kinds canonical ndk hal_1.0 hal_1.2
%kind ndk
%define ANN ANEURALNETWORKS_
%define DeclareOperation ANEURALNETWORKS_%{1} = %{2}
%define LinkPfx ANEURALNETWORKS_
%define Level3 NNAPI feature level 3
%section AVAIL3
     *
     * Available since NNAPI feature level 3.
%/section
%/kind
%kind canonical hal*
%define ANN
%define DeclareOperation %{1} = %{2}
%define LinkPfx OperationType::
%define Level3 HAL version 1.2
%section AVAIL3
%/section
%/kind

%% NDK OperationCode for API 29
%section Operation_1.2
    /**
     * Turns each element.
     *
     * Supported tensor {@link OperandCode}:
%kind canonical ndk hal_1.2+
     * * {@link %{LinkPfx}TENSOR_FLOAT16}
%else
     * * {@link %{LinkPfx}TENSOR_INT32}
%/kind
     * * {@link %{LinkPfx}TENSOR_FLOAT32}
     *
     * Supported tensor rank: up to 4
     *
     * Inputs:
     * * 0: A tensor. Since %{Level3}, this tensor may be zero-sized.
     *
     * Outputs:
     * * 0: A tensor of the same {@link OperandCode} as input0.
%insert AVAIL3
     */
    %{DeclareOperation WHIRL 106},

    /**
     * Turns back.
     *
     * Supported tensor {@link OperandCode}:
     * * {@link %{LinkPfx}TENSOR_FLOAT32}
     *
     * Inputs:
     * * 0: A tensor.
     *
     * Outputs:
     * * 0: A tensor.
     */
    %{DeclareOperation UNWHIRL 107},
%/section
"""


def header(*operations: str, level: int = NEXT_LEVEL) -> str:
    """A whole header with these operations, which knows NNAPI up to a level. Their next level becomes that level."""
    text = "".join(operations).replace(f"feature level {NEXT_LEVEL}", f"feature level {level}")
    return HEADER.format(operations=text, level=level, number=1_000_000 + level)


NEXT_HEADER = header(FLOOR, CHANNEL_SHUFFLE, WHIRL, ERFINV)
"""Two new operations, one new element type on an old one, one new optional input on another."""


def written(folder: Path, text: str, name: str = "Made.h") -> Path:
    """A file that holds the text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
