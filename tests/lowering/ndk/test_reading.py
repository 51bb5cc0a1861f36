"""A model file gives back what was written, and nothing else gives anything but a refusal."""

import random
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnapi_check.analyzer.errors import InputError
from nnapi_check.lowering.ndk.program import Program
from nnapi_check.lowering.ndk.reading import is_model_file, read_program
from nnapi_check.lowering.ndk.writing import CHECKED_BYTES, HEADER, NotWritableError, Weight, write_program
from nnapi_check.lowering.nnapi.model import Model, Reference
from tests.lowering.ndk.programs import CODES, NAMES, choosing, convolving


def written(path: Path, program: Program, weights: tuple[Weight, ...] = ()) -> Path:
    write_program(program, weights, CODES, path)
    return path


def sealed(data: bytearray) -> bytes:
    """The bytes with checksums that fit them, as whoever means harm would write them."""
    numbers = list(HEADER.unpack_from(data))
    start, length = numbers[3], numbers[4]
    numbers[7] = zlib.crc32(data[start : start + length])
    data[:CHECKED_BYTES] = HEADER.pack(*numbers)
    data[CHECKED_BYTES : CHECKED_BYTES + 4] = zlib.crc32(data[:CHECKED_BYTES]).to_bytes(4, "little")
    return bytes(data)


def test_what_is_written_is_read_back_equal(tmp_path: Path) -> None:
    program, weights = convolving()

    found = read_program(written(tmp_path / "m.nnc", program, weights), NAMES)

    assert found.program == program
    assert [bytes(found.weights[w.offset : w.offset + w.length]) for w in weights] == [bytes(w.read()) for w in weights]


def test_models_of_models_come_after_those_that_refer_to_them(tmp_path: Path) -> None:
    program = choosing()

    model = read_program(written(tmp_path / "m.nnc", program), NAMES).program.model

    def kinds(of: Model) -> list[str]:
        return [operation.kind for operation in of.operations]

    def chosen(of: Model) -> list[Model]:
        return [model.referenced[o.source.model] for o in of.operands if isinstance(o.source, Reference)]

    assert [kinds(branch) for branch in chosen(model)] == [["RELU"], ["IF"]]
    assert [kinds(branch) for branch in chosen(chosen(model)[1])] == [["RELU"], ["TANH"]]


def test_a_model_that_refers_to_itself_is_not_written(tmp_path: Path) -> None:
    program = choosing()
    first = replace(program.model.operands[1], source=Reference(0))
    inner = replace(program.model.referenced[0], operands=(first, *program.model.referenced[0].operands[1:]))
    circular = replace(program, model=replace(program.model, referenced=(inner, *program.model.referenced[1:])))

    with pytest.raises(NotWritableError, match="refers to itself"):
        written(tmp_path / "m.nnc", circular)


def test_weights_lie_at_multiples_of_64_and_end_with_the_file(tmp_path: Path) -> None:
    program, weights = convolving()

    data = written(tmp_path / "m.nnc", program, weights).read_bytes()

    numbers = HEADER.unpack_from(data)
    assert numbers[5] % 64 == 0
    assert numbers[5] + numbers[6] == len(data)
    assert data[-8:] == np.array([-9], np.int64).tobytes()


def test_a_changed_byte_of_header_or_structure_is_refused(tmp_path: Path) -> None:
    program, weights = convolving()
    path = written(tmp_path / "m.nnc", program, weights)
    data = path.read_bytes()
    numbers = HEADER.unpack_from(data)

    for place in (*range(128), *range(numbers[3], numbers[3] + numbers[4], 7)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        with pytest.raises(InputError, match="damaged model file"):
            read_program(path, NAMES)


def test_structures_of_strangers_are_read_or_refused(tmp_path: Path) -> None:
    draws = random.Random(7)
    path = tmp_path / "m.nnc"
    samples = [written(path, *convolving()).read_bytes(), written(path, choosing()).read_bytes()]
    refused = 0
    for _ in range(300):
        data = bytearray(draws.choice(samples))
        numbers = HEADER.unpack_from(data)
        for _ in range(draws.choice((1, 1, 2, 8))):
            data[numbers[3] + draws.randrange(numbers[4])] = draws.choice(
                (0, 1, 0x7F, 0x80, 0xFF, draws.randrange(256))
            )
        path.write_bytes(sealed(data))
        try:
            read_program(path, NAMES)
        except InputError:
            refused += 1

    assert 100 < refused < 300


def test_a_shorter_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "m.nnc", *convolving())
    data = path.read_bytes()

    for length in (0, 7, 8, 127, 128, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(InputError, match="damaged model file"):
            read_program(path, NAMES)


def test_a_model_file_is_known_by_its_beginning(tmp_path: Path) -> None:
    written(tmp_path / "m.nnc", choosing())
    (tmp_path / "other").write_bytes(b"NNCMODE")

    assert is_model_file(tmp_path / "m.nnc")
    assert not is_model_file(tmp_path / "other")
    assert not is_model_file(tmp_path / "missing")
