"""What a device's driver refuses, as a small JSON file says.

    {
      "schema_version": 1,
      "device": "Pixel 9, driver 3.1",
      "unlisted": "accepted",
      "operations": {
        "CONV_2D": {"TENSOR_FLOAT32": "accepted", "TENSOR_QUANT8_ASYMM": "refused"},
        "TRANSPOSE": "refused"
      }
    }

An application that asks the device (``ANeuralNetworksModel_getSupportedOperationsForDevices``) writes one entry for
each operation and element type of its main operand. ``unlisted`` says what holds for all others, "accepted" if it is
left out.
``schema/device-profile-1.json`` is the form as JSON Schema.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from nnapi_check.coverage_db.errors import UserError
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.coverage_db.user_documents import parse_json, shown

SCHEMA_VERSION = 1


class DeviceProfileError(UserError):
    """A device profile is malformed. The message names the file and the place in it."""


class Answer(Enum):
    """What a device's driver says of an operation."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """What a device's driver answers. A type of None stands for every type of an operation that is not listed."""

    device: str
    answers: Mapping[tuple[str, OperandType | None], Answer]
    unlisted: Answer = Answer.ACCEPTED

    def refuses(self, operation: str, kind: OperandType | None) -> bool:
        """Whether the driver refuses an operation on a main operand of this type; None is an unknown type."""
        for key in ((operation, kind), (operation, None)):
            if key in self.answers:
                return self.answers[key] is Answer.REFUSED
        return self.unlisted is Answer.REFUSED


def read_device_profile(path: Path, operations: Collection[str]) -> DeviceProfile:
    """Read a profile; ``operations`` are those that NNAPI has. Raises ``DeviceProfileError``."""
    try:
        document = parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DeviceProfileError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DeviceProfileError(f"{path} is not JSON: {error}") from error
    return _Reader(path, operations).profile(document)


@dataclass(frozen=True, slots=True)
class _Reader:
    path: Path
    operations: Collection[str]

    def fail(self, where: str, problem: str) -> DeviceProfileError:
        return DeviceProfileError(f"{self.path}: {where}: {problem}")

    def profile(self, document: object) -> DeviceProfile:
        if not isinstance(document, dict):
            raise self.fail("the document", "must be an object")
        version = document.get("schema_version")
        if version != SCHEMA_VERSION:
            raise self.fail("schema_version", f"must be {SCHEMA_VERSION}, found {shown(version)}")
        for key in document:
            if key not in ("schema_version", "device", "unlisted", "operations"):
                raise self.fail(key, "is not a key of a device profile")
        device, operations = document.get("device"), document.get("operations")
        if not isinstance(device, str) or not device.strip():
            raise self.fail("device", f"must be the device's name, found {shown(device)}")
        if not isinstance(operations, dict):
            raise self.fail("operations", f"must be an object, found {shown(operations)}")
        answers: dict[tuple[str, OperandType | None], Answer] = {}
        for name, answer in operations.items():
            if name not in self.operations:
                raise self.fail(f"operations.{name}", "is not an operation of NNAPI")
            answers |= self._answers(name, answer)
        unlisted = self._answer("unlisted", document.get("unlisted", Answer.ACCEPTED.value))
        return DeviceProfile(device.strip(), answers, unlisted)

    def _answers(self, name: str, answer: object) -> dict[tuple[str, OperandType | None], Answer]:
        where = f"operations.{name}"
        if not isinstance(answer, dict):
            return {(name, None): self._answer(where, answer)}
        found: dict[tuple[str, OperandType | None], Answer] = {}
        for kind, said in answer.items():
            if kind not in OperandType.__members__:
                raise self.fail(f"{where}.{kind}", "is not an operand type of NNAPI")
            found[name, OperandType[kind]] = self._answer(f"{where}.{kind}", said)
        return found

    def _answer(self, where: str, said: object) -> Answer:
        if said not in (Answer.ACCEPTED.value, Answer.REFUSED.value):
            raise self.fail(where, f'must be "accepted" or "refused", found {shown(said)}')
        return Answer(said)
