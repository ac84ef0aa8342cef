#!/usr/bin/env python3
"""Converts a BF16 MiniMax-M3 checkpoint folder into one of the quantised layouts Talon reads.

    mxfp8        F8_E4M3 codes, one E8M0 exponent for 32 input channels (`weight_scale_inv`, U8)
    mxfp4        AMD Quark: two E2M1 codes a byte, E8M0 exponents (`weight_scale`, U8); experts only
    fp8_channel  F8_E4M3 codes, one F32 scale an output row (`weight_scale`)
    fp8_block    F8_E4M3 codes, one F32 scale for 128 x 128 values (`weight_scale_inv`)

Scales follow the largest magnitude of their group, values round to the nearest code (ties to even).
Everything but the weights is copied. Standard library only; models/talon-tiny takes 5 to 20
seconds.

    python3 tools/make_quantised_checkpoint.py --format mxfp8 models/talon-tiny OUT
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import struct
from array import array
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path

from random_weights import widen
from safetensors_io import Tensor, read_folder, write_shards

E2M1 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
E4M3 = [m * 2.0**-9 for m in range(8)]
E4M3 += [(8 + m) * 2.0 ** (e - 10) for e in range(1, 16) for m in range(8)][:-1]
GROUP = 32


def nearest(magnitudes: list[float], value: float) -> int:
    """The code of the nearest magnitude, ties to the even code, saturating; without sign."""
    wanted = min(abs(value), magnitudes[-1])
    code = bisect_left(magnitudes, wanted)
    if code:
        down, up = wanted - magnitudes[code - 1], magnitudes[code] - wanted
        if down < up or (down == up and code % 2):
            code -= 1
    return code


class PowerOfTwoCodes:
    """Codes of bf16 bit patterns divided by a power of two, each computed once."""

    def __init__(self, magnitudes: list[float], sign_bit: int) -> None:
        self._magnitudes = magnitudes
        self._sign_bit = sign_bit
        self._tables: dict[int, dict[int, int]] = {}

    def encode(self, bits: array, exponent: int) -> list[int]:
        """Codes of a group whose scale is 2^(exponent - 127)."""
        table = self._tables.setdefault(exponent, {})
        for word in bits:
            if word not in table:
                (value,) = struct.unpack("<f", struct.pack("<I", word << 16))
                code = nearest(self._magnitudes, math.ldexp(value, 127 - exponent))
                table[word] = code | (self._sign_bit if word >> 15 else 0)
        return [table[word] for word in bits]


def shared_exponent(bits: array, largest_exponent: int) -> int:
    """The OCP rule: exponent of the largest magnitude less the format's largest exponent."""
    top = max(word & 0x7FFF for word in bits)
    if top == 0:
        return 127
    (value,) = struct.unpack("<f", struct.pack("<I", top << 16))
    return min(max(math.frexp(value)[1] - 1 - largest_exponent + 127, 0), 254)


def mx_encoder(magnitudes: list[float], sign_bit: int, largest_exponent: int) -> Callable:
    """A function from a bf16 matrix to (codes, exponents), one exponent for 32 channels."""
    codes_of = PowerOfTwoCodes(magnitudes, sign_bit)

    def encode(bits: array) -> tuple[bytearray, bytearray]:
        codes, exponents = bytearray(), bytearray()
        for first in range(0, len(bits), GROUP):
            group = bits[first : first + GROUP]
            exponents.append(shared_exponent(group, largest_exponent))
            codes += bytes(codes_of.encode(group, exponents[-1]))
        return codes, exponents

    return encode


encode_mxfp8 = mx_encoder(E4M3, 0x80, 8)
encode_mxfp4 = mx_encoder(E2M1, 8, 2)


def stem(name: str) -> str:
    return name.removesuffix(".weight")


def to_mxfp8(name: str, weight: Tensor) -> dict[str, Tensor]:
    rows, cols = weight.shape
    codes, exponents = encode_mxfp8(array("H", weight.data))
    return {
        name: Tensor("F8_E4M3", (rows, cols), bytes(codes)),
        stem(name) + ".weight_scale_inv": Tensor("U8", (rows, cols // GROUP), bytes(exponents)),
    }


def to_mxfp4(name: str, weight: Tensor) -> dict[str, Tensor]:
    rows, cols = weight.shape
    codes, exponents = encode_mxfp4(array("H", weight.data))
    # The low nibble is the even channel.
    packed = bytes(low | high << 4 for low, high in zip(codes[::2], codes[1::2], strict=True))
    return {
        name: Tensor("U8", (rows, cols // 2), packed),
        stem(name) + ".weight_scale": Tensor("U8", (rows, cols // GROUP), bytes(exponents)),
    }


def fp8_scales(values: array, tile_of: Callable[[int], int], num_tiles: int) -> array:
    """The F32 scale of each tile: its largest magnitude becomes 448."""
    tops = [0.0] * num_tiles
    for i, value in enumerate(values):
        tile = tile_of(i)
        tops[tile] = max(tops[tile], abs(value))
    return array("f", [top / 448.0 if top else 1.0 for top in tops])


def to_fp8(name: str, weight: Tensor, tile: tuple[int, int], suffix: str) -> dict[str, Tensor]:
    rows, cols = weight.shape
    tile_rows, tile_cols = tile[0], tile[1] or cols
    across = -(-cols // tile_cols)
    down = -(-rows // tile_rows)
    values = widen(array("H", weight.data))

    def tile_of(i: int) -> int:
        return i // cols // tile_rows * across + i % cols // tile_cols

    scales = fp8_scales(values, tile_of, down * across)
    codes = bytes(
        nearest(E4M3, value / scales[tile_of(i)]) | (0x80 if math.copysign(1.0, value) < 0 else 0)
        for i, value in enumerate(values)
    )
    return {
        name: Tensor("F8_E4M3", (rows, cols), codes),
        stem(name) + suffix: Tensor("F32", (down, across), scales.tobytes()),
    }


def to_fp8_channel(name: str, weight: Tensor) -> dict[str, Tensor]:
    return to_fp8(name, weight, (1, 0), ".weight_scale")


def to_fp8_block(name: str, weight: Tensor) -> dict[str, Tensor]:
    return to_fp8(name, weight, (128, 128), ".weight_scale_inv")


CONVERTERS = {
    "mxfp8": to_mxfp8,
    "mxfp4": to_mxfp4,
    "fp8_channel": to_fp8_channel,
    "fp8_block": to_fp8_block,
}


def is_quantised(name: str, layout: str) -> bool:
    """Every text linear but embedding, head and router; under mxfp4 the experts only."""
    is_expert = ".block_sparse_moe.experts." in name or ".block_sparse_moe.shared_experts." in name
    if not name.startswith("language_model.model.layers.") or not name.endswith(".weight"):
        return False
    return is_expert or (layout != "mxfp4" and name.endswith("_proj.weight"))


def quantization_config(layout: str, moe_layers: list[int]) -> dict:
    """The `quantization_config` of config.json."""
    if layout == "mxfp4":
        weight = {
            "dtype": "fp4",
            "qscheme": "per_group",
            "group_size": GROUP,
            "ch_axis": -1,
            "scale_format": "e8m0",
            "is_dynamic": False,
        }
        excluded = ["lm_head", "vision_tower*", "multi_modal_projector*", "patch_merge_mlp*"]
        excluded += ["block_sparse_moe.gate", "self_attn*"]
        excluded += ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
        return {
            "quant_method": "quark",
            "global_quant_config": {
                "weight": weight,
                "input_tensors": weight | {"is_dynamic": True},
                "output_tensors": None,
            },
            "layer_quant_config": {},
            "layer_type_quant_config": {},
            "exclude": ["*" + name for name in excluded],
            "export": {"weight_format": "real_quantized", "pack_method": "reorder"},
        }
    ignored = ["lm_head", "model.embed_tokens", "vision_tower", "multi_modal_projector"]
    ignored.append("patch_merge_mlp")
    base = "language_model.model.layers"
    ignored += [f"{base}.{i}.block_sparse_moe.gate" for i, moe in enumerate(moe_layers) if moe]
    config = {"quant_method": "mxfp8" if layout == "mxfp8" else "fp8"}
    block_size = {"mxfp8": [1, GROUP], "fp8_block": [128, 128]}.get(layout)
    if block_size:
        config["weight_block_size"] = block_size
    return config | {"activation_scheme": "dynamic", "ignored_layers": ignored}


def convert(source: Path, out: Path, layout: str, shard_bytes: int = 15 << 20) -> int:
    """Writes the folder `out`; returns the number of quantised matrices."""
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    if "quantization_config" in config:
        raise SystemExit(f"{source}/config.json: quantization_config: already quantised")
    converted: dict[str, Tensor] = {}
    count = 0
    for name, tensor in read_folder(source).items():
        if not is_quantised(name, layout):
            converted[name] = tensor
            continue
        if tensor.dtype != "BF16" or tensor.shape[1] % GROUP:
            raise SystemExit(f"{source}: {name}: {tensor.dtype} {list(tensor.shape)}")
        converted |= CONVERTERS[layout](name, tensor)
        count += 1
    out.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.is_file() and path.suffix != ".safetensors" and "index.json" not in path.name:
            shutil.copy(path, out / path.name)
    moe_layers = config["text_config"]["moe_layer_freq"]
    config["quantization_config"] = quantization_config(layout, moe_layers)
    text = json.dumps(config, indent=2) + "\n"
    (out / "config.json").write_text(text, encoding="utf-8")
    write_shards(out, converted, shard_bytes)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--format", choices=sorted(CONVERTERS), required=True)
    parser.add_argument("source", type=Path, help="folder of a BF16 checkpoint")
    parser.add_argument("out", type=Path, help="folder to write")
    args = parser.parse_args()
    if args.source.resolve() == args.out.resolve():
        raise SystemExit("source and out are the same folder")
    count = convert(args.source, args.out, args.format)
    print(f"{args.out}: {count} matrices in {args.format}")


if __name__ == "__main__":
    main()
