"""FarmHash's 64-bit fingerprint of bytes, by which LSH_PROJECTION hashes: https://github.com/google/farmhash."""

from __future__ import annotations

_MASK = (1 << 64) - 1
_K0 = 0xC3A5C85C97CB3127
_K1 = 0xB492B66FBE98F273
_K2 = 0x9AE16A3B2F90404F
_SEED = 81


def fingerprint64(data: bytes) -> int:
    """The fingerprint as an unsigned number. It is the same on every machine."""
    size = len(data)
    if size <= 16:
        return _up_to_16(data)
    if size <= 32:
        return _up_to_32(data)
    return _up_to_64(data) if size <= 64 else _longer(data)


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _half_word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _rotate(value: int, shift: int) -> int:
    value &= _MASK
    return (value >> shift | value << (64 - shift)) & _MASK


def _shift_mix(value: int) -> int:
    value &= _MASK
    return value ^ value >> 47


def _mix(u: int, v: int, multiplier: int) -> int:
    a = _shift_mix((u ^ v) * multiplier & _MASK)
    b = _shift_mix((v ^ a) * multiplier & _MASK)
    return b * multiplier & _MASK


def _up_to_16(data: bytes) -> int:
    size = len(data)
    multiplier = _K2 + 2 * size
    if size >= 8:
        a = _word(data, 0) + _K2 & _MASK
        b = _word(data, size - 8)
        c = _rotate(b, 37) * multiplier + a & _MASK
        d = (_rotate(a, 25) + b) * multiplier & _MASK
        return _mix(c, d, multiplier)
    if size >= 4:
        return _mix(size + (_half_word(data, 0) << 3), _half_word(data, size - 4), multiplier)
    if size == 0:
        return _K2
    y = data[0] + (data[size >> 1] << 8)
    z = size + (data[size - 1] << 2)
    return _shift_mix((y * _K2 ^ z * _K0) & _MASK) * _K2 & _MASK


def _up_to_32(data: bytes) -> int:
    size = len(data)
    multiplier = _K2 + 2 * size
    a = _word(data, 0) * _K1
    b = _word(data, 8)
    c = _word(data, size - 8) * multiplier
    d = _word(data, size - 16) * _K2
    return _mix(_rotate(a + b, 43) + _rotate(c, 30) + d & _MASK, a + _rotate(b + _K2, 18) + c & _MASK, multiplier)


def _up_to_64(data: bytes) -> int:
    size = len(data)
    multiplier = _K2 + 2 * size
    a = _word(data, 0) * _K2
    b = _word(data, 8)
    c = _word(data, size - 8) * multiplier
    d = _word(data, size - 16) * _K2
    y = _rotate(a + b, 43) + _rotate(c, 30) + d & _MASK
    z = _mix(y, a + _rotate(b + _K2, 18) + c & _MASK, multiplier)
    e = _word(data, 16) * multiplier
    f = _word(data, 24)
    g = (y + _word(data, size - 32)) * multiplier
    h = (z + _word(data, size - 24)) * multiplier
    return _mix(_rotate(e + f, 43) + _rotate(g, 30) + h & _MASK, e + _rotate(f + a, 18) + g & _MASK, multiplier)


def _weak(data: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    """A weak hash of 32 bytes with two seeds."""
    w, x, y, z = (_word(data, at + offset) for offset in (0, 8, 16, 24))
    a = a + w & _MASK
    b = _rotate(b + a + z, 21)
    c = a
    a = a + x + y & _MASK
    b = b + _rotate(a, 44) & _MASK
    return a + z & _MASK, b + c & _MASK


def _longer(data: bytes) -> int:
    size = len(data)
    x = _SEED * _K2 + _word(data, 0) & _MASK
    y = _SEED * _K1 + 113 & _MASK
    z = _shift_mix(y * _K2 + 113) * _K2 & _MASK
    v = w = (0, 0)
    for at in range(0, (size - 1) // 64 * 64, 64):
        x = _rotate(x + y + v[0] + _word(data, at + 8), 37) * _K1 & _MASK
        y = _rotate(y + v[1] + _word(data, at + 48), 42) * _K1 & _MASK
        x ^= w[1]
        y = y + v[0] + _word(data, at + 40) & _MASK
        z = _rotate(z + w[0], 33) * _K1 & _MASK
        v = _weak(data, at, v[1] * _K1, x + w[0])
        w = _weak(data, at + 32, z + w[1], y + _word(data, at + 16))
        x, z = z, x
    # The last 64 bytes are hashed again, whatever part of them was.
    at = size - 64
    multiplier = _K1 + ((z & 0xFF) << 1)
    w = (w[0] + (size - 1 & 63) & _MASK, w[1])
    v = (v[0] + w[0] & _MASK, v[1])
    w = (w[0] + v[0] & _MASK, w[1])
    x = _rotate(x + y + v[0] + _word(data, at + 8), 37) * multiplier & _MASK
    y = _rotate(y + v[1] + _word(data, at + 48), 42) * multiplier & _MASK
    x ^= w[1] * 9 & _MASK
    y = y + v[0] * 9 + _word(data, at + 40) & _MASK
    z = _rotate(z + w[0], 33) * multiplier & _MASK
    v = _weak(data, at, v[1] * multiplier, x + w[0])
    w = _weak(data, at + 32, z + w[1], y + _word(data, at + 16))
    x, z = z, x
    return _mix(
        _mix(v[0], w[0], multiplier) + _shift_mix(y) * _K0 + z & _MASK,
        _mix(v[1], w[1], multiplier) + x & _MASK,
        multiplier,
    )
