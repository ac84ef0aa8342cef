"""The checkpoint makers of tools/: hand cases of the encoders, and a tiny checkpoint in each layout
read back with decoders written here from the format definitions."""

from __future__ import annotations

import json
import math
import struct
import sys
import tempfile
import unittest
from array import array
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import make_quantised_checkpoint as quantised
import make_tiny_checkpoint as tiny
import random_weights
from m3_layout import HeadSizes, M3Sizes
from safetensors_io import Tensor, read_file, read_folder

SIZES = M3Sizes(num_layers=2, vocab_size=32, num_experts=2)
LAYER = "language_model.model.layers.1."
EXPERT = LAYER + "block_sparse_moe.experts.1.w2.weight"
QUERY = LAYER + "self_attn.q_proj.weight"
ROUTER = LAYER + "block_sparse_moe.gate.weight"


def bf16(*values: float) -> bytes:
    return random_weights.round_to_bf16(array("f", values)).tobytes()


def floats(tensor: Tensor) -> list[float]:
    return list(random_weights.widen(array("H", tensor.data)))


def e4m3(code: int) -> float:
    exponent, mantissa = code >> 3 & 15, code & 7
    magnitude = (mantissa / 8 + (exponent > 0)) * 2.0 ** (max(exponent, 1) - 7)
    return -magnitude if code & 0x80 else magnitude


def decode(layout: str, weight: Tensor, scale: Tensor) -> list[float]:
    if layout == "mxfp4":
        magnitudes = (0, 0.5, 1, 1.5, 2, 3, 4, 6)
        nibbles = [n for byte in weight.data for n in (byte & 15, byte >> 4)]
        signed = [magnitudes[n & 7] * (-1 if n & 8 else 1) for n in nibbles]
        return [v * 2.0 ** (scale.data[i // 32] - 127) for i, v in enumerate(signed)]
    values = [e4m3(code) for code in weight.data]
    if layout == "mxfp8":
        return [v * 2.0 ** (scale.data[i // 32] - 127) for i, v in enumerate(values)]
    scales = struct.unpack(f"<{len(scale.data) // 4}f", scale.data)
    rows, cols = weight.shape
    down, across = scale.shape
    tile_rows, tile_cols = -(-rows // down), -(-cols // across)
    if layout == "fp8_block":
        tile_rows = tile_cols = 128
    return [
        v * scales[i // cols // tile_rows * across + i % cols // tile_cols]
        for i, v in enumerate(values)
    ]


class RandomWeightsTest(unittest.TestCase):
    def test_equals_the_generator_in_cpp(self) -> None:
        # The same numbers stand in tests/oracle/tiny_model_test.cc.
        name = "language_model.model.layers.3.self_attn.q_proj.weight"
        self.assertEqual(random_weights.random_bits(7, "a", 2), [1405178, 16337119])
        self.assertEqual(random_weights.random_tokens(7, 3, 100), [52, 86, 99])
        bits = list(random_weights.random_bf16(7, name, (2, 2)))
        self.assertEqual(bits, [48775, 16149, 16224, 48957])


class EncoderTest(unittest.TestCase):
    def test_nearest_code_with_ties_to_even(self) -> None:
        self.assertEqual(quantised.nearest(quantised.E2M1, 2.5), 4)
        self.assertEqual(quantised.nearest(quantised.E2M1, -3.5), 6)
        self.assertEqual(quantised.nearest(quantised.E4M3, 1.0625), 0x38)
        self.assertEqual(quantised.nearest(quantised.E4M3, 1e6), 0x7E)

    def test_mxfp4_packs_the_even_channel_low(self) -> None:
        weight = Tensor("BF16", (1, 32), bf16(*([3.0, -1.0] + [0.0] * 29 + [6.0])))
        out = quantised.to_mxfp4("a.weight", weight)
        self.assertEqual(out["a.weight"].data[0], 0xA5)
        self.assertEqual(out["a.weight"].data[15], 0x70)
        self.assertEqual(out["a.weight_scale"].data, bytes([127]))

    def test_mxfp8_exponent_follows_the_largest_magnitude(self) -> None:
        weight = Tensor("BF16", (1, 64), bf16(*([256.0] + [0.0] * 31 + [-0.5] + [0.25] * 31)))
        out = quantised.to_mxfp8("a.weight", weight)
        self.assertEqual(out["a.weight_scale_inv"].data, bytes([127, 118]))
        self.assertEqual(out["a.weight"].data[0], 0x78)
        self.assertEqual(out["a.weight"].data[32], 0xF8)

    def test_fp8_channel_scale_makes_the_largest_magnitude_448(self) -> None:
        weight = Tensor("BF16", (2, 2), bf16(1.0, -2.0, 0.0, 0.0))
        out = quantised.to_fp8_channel("a.weight", weight)
        scales = struct.unpack("<2f", out["a.weight_scale"].data)
        self.assertAlmostEqual(scales[0], 2.0 / 448.0)
        self.assertEqual(scales[1], 1.0)
        self.assertEqual(out["a.weight"].data, bytes([0x76, 0xFE, 0, 0]))


class CheckpointTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        tiny.write_target(self.folder / "bf16", 3, SIZES, shard_bytes=100_000)

    def test_each_layout_decodes_to_near_the_original(self) -> None:
        original = read_folder(self.folder / "bf16")
        bounds = {"mxfp8": 0.125, "mxfp4": 0.25, "fp8_channel": 0.04, "fp8_block": 0.04}
        for layout, bound in bounds.items():
            with self.subTest(layout=layout):
                out = self.folder / layout
                count = quantised.convert(self.folder / "bf16", out, layout)
                tensors = read_folder(out)
                suffix = "_scale_inv" if layout in ("mxfp8", "fp8_block") else "_scale"
                # Dense layer: 4 + 3. Sparse layer: 6, and 3 for each expert and the shared one.
                self.assertEqual(count, 9 if layout == "mxfp4" else 7 + 6 + 9)
                values = decode(layout, tensors[EXPERT], tensors[EXPERT + suffix])
                expected = floats(original[EXPERT])
                top = max(map(abs, expected))
                error = max(abs(a - b) for a, b in zip(values, expected, strict=True))
                self.assertLessEqual(error / top, bound)
                self.assertGreater(error, 0.0)
                self.assertEqual(tensors[ROUTER], original[ROUTER])
                self.assertEqual(QUERY + suffix in tensors, layout != "mxfp4")
                self.assertEqual(len(tensors), len(original) + count)

    def test_config_names_the_method_and_the_rest_is_kept(self) -> None:
        quantised.convert(self.folder / "bf16", self.folder / "out", "fp8_block")
        before = json.loads((self.folder / "bf16" / "config.json").read_text())
        after = json.loads((self.folder / "out" / "config.json").read_text())
        method = after.pop("quantization_config")
        self.assertEqual(after, before)
        self.assertEqual(method["weight_block_size"], [128, 128])
        self.assertIn(ROUTER.removesuffix(".weight"), method["ignored_layers"])

    def test_quantised_source_is_refused(self) -> None:
        quantised.convert(self.folder / "bf16", self.folder / "once", "mxfp8")
        with self.assertRaisesRegex(SystemExit, "quantization_config"):
            quantised.convert(self.folder / "once", self.folder / "twice", "mxfp8")

    def test_reduced_draft_vocabulary_maps_by_offsets(self) -> None:
        target = M3Sizes(vocab_size=32)
        sizes = HeadSizes(target=target, draft_vocab_size=8, layer_prefix="midlayer.")
        tiny.write_head(self.folder / "head", 3, sizes)
        tensors = read_file(self.folder / "head" / "model.safetensors")
        offsets = struct.unpack("<8q", tensors["d2t"].data)
        self.assertEqual([i + o for i, o in enumerate(offsets)], list(range(0, 32, 4)))
        self.assertEqual(sum(tensors["t2d"].data), 8)
        self.assertEqual(tensors["lm_head.weight"].shape, (8, 64))
        self.assertIn("midlayer.self_attn.q_proj.weight", tensors)
        self.assertTrue(all(math.isfinite(v) for v in floats(tensors["fc.weight"])))


if __name__ == "__main__":
    unittest.main()
