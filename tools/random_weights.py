"""Random weights that need no file: a pure function of (seed, tensor name, element index).

tests/support/random_weights.h holds the same function in C++; tests/golden/README.md describes it.
Values are uniform in a range that follows from the tensor's name and shape, rounded to bf16.
Standard library only.
"""

from __future__ import annotations

import math
import struct
from array import array

MASK = (1 << 64) - 1
GOLDEN_GAMMA = 0x9E3779B97F4A7C15


def mix(z: int) -> int:
    """The finaliser of splitmix64."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def fnv1a(text: str) -> int:
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def random_bits(seed: int, name: str, count: int) -> list[int]:
    """24 random bits for each index."""
    key = mix(seed ^ fnv1a(name))
    return [mix((key + i * GOLDEN_GAMMA) & MASK) >> 40 for i in range(count)]


def weight_range(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Centre and half width. Target norms are centred on 0 (gain 1 + w), the drafter's on 1."""
    is_target = name.startswith("language_model.")
    if name.endswith("bias"):
        return 0.0, 0.2
    if len(shape) == 1:
        return (0.0 if is_target else 1.0), 0.5
    if name.endswith("embed_tokens.weight"):
        return 0.0, 1.75
    unit = math.sqrt(3.0 / shape[-1])
    if name.endswith("lm_head.weight"):
        return 0.0, 2.0 * unit
    # Wide enough that the clamps of the target's SwiGLU are reached.
    wide = ("gate_proj.weight", "up_proj.weight", "w1.weight", "w3.weight")
    if is_target and name.endswith(wide):
        return 0.0, 3.0 * unit
    if is_target and name.endswith(("down_proj.weight", "w2.weight")):
        return 0.0, 0.25 * unit
    return 0.0, unit


def random_bf16(seed: int, name: str, shape: tuple[int, ...]) -> array:
    """The tensor's bf16 bit patterns, row-major."""
    centre, half_width = weight_range(name, shape)
    bits = random_bits(seed, name, math.prod(shape))
    floats = array("f", [centre + half_width * (b * 2.0**-23 - 1.0) for b in bits])
    return round_to_bf16(floats)


def round_to_bf16(floats: array) -> array:
    """Nearest even, for finite values."""
    words = array("I", floats.tobytes())
    return array("H", [(w + 0x7FFF + ((w >> 16) & 1)) >> 16 for w in words])


def widen(bf16: array) -> array:
    """bf16 bits to floats."""
    return array("f", array("I", [b << 16 for b in bf16]).tobytes())


def random_tokens(seed: int, count: int, vocab_size: int) -> list[int]:
    """Token ids, uniform over the vocabulary."""
    return [(b * vocab_size) >> 24 for b in random_bits(seed, "tokens", count)]


assert struct.calcsize("I") == 4 and struct.calcsize("H") == 2
