#!/usr/bin/env python3
"""Writes a random MiniMax-M3 checkpoint folder, and a matching EAGLE-3 head, in real layout.

The weights are those of random_weights.py: every tensor random, norms and routing bias included.
The text such a model makes is noise; it is for loaders, converters and timings. Sizes are set with
`--set name=value` (names: M3Sizes in m3_layout.py). Standard library only.

    python3 tools/make_tiny_checkpoint.py OUT [--head OUT_HEAD] [--seed 1] [--set num_layers=8 ...]
"""

from __future__ import annotations

import argparse
import json
from array import array
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path

import m3_layout
from m3_layout import HeadSizes, M3Sizes
from random_weights import random_bf16, widen
from safetensors_io import Tensor, write_file, write_shards


def random_tensors(seed: int, specs: Iterable[m3_layout.Tensor], prefix: str) -> dict[str, Tensor]:
    """Random values by name; the drafter's values do not depend on its layer prefix."""
    out = {}
    for name, shape, dtype in specs:
        bits = random_bf16(seed, name.removeprefix(prefix), shape)
        data = widen(bits) if dtype == "F32" else bits
        out[name] = Tensor(dtype, shape, data.tobytes())
    return out


def draft_vocabulary(sizes: HeadSizes) -> dict[str, Tensor]:
    """d2t (offsets) and t2d (mask) of a reduced vocabulary whose ids are spread evenly."""
    if not sizes.draft_vocab_size:
        return {}
    count, total = sizes.draft_vocab_size, sizes.target.vocab_size
    targets = [draft * total // count for draft in range(count)]
    offsets = array("q", [target - draft for draft, target in enumerate(targets)])
    mask = bytearray(total)
    for target in targets:
        mask[target] = 1
    return {
        "d2t": Tensor("I64", (count,), offsets.tobytes()),
        "t2d": Tensor("BOOL", (total,), bytes(mask)),
    }


def write_config(folder: Path, config: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(config, indent=2) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")


def write_target(folder: Path, seed: int, sizes: M3Sizes, shard_bytes: int = 15 << 20) -> None:
    """config.json, shards and index."""
    write_config(folder, m3_layout.target_config(sizes))
    tensors = random_tensors(seed, m3_layout.target_tensors(sizes), "")
    write_shards(folder, tensors, shard_bytes)


def write_head(folder: Path, seed: int, sizes: HeadSizes) -> None:
    """config.json and one safetensors file."""
    write_config(folder, m3_layout.head_config(sizes))
    tensors = random_tensors(seed, m3_layout.head_tensors(sizes), sizes.layer_prefix)
    write_file(folder / "model.safetensors", tensors | draft_vocabulary(sizes))


def parse_sizes(settings: list[str]) -> M3Sizes:
    """M3Sizes with `name=value` overrides."""
    defaults = {field.name: field.default for field in fields(M3Sizes)}
    values = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in defaults:
            raise SystemExit(f"--set {setting}: no such size; one of {', '.join(defaults)}")
        values[name] = type(defaults[name])(text)
    return replace(M3Sizes(), **values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("out", type=Path, help="folder of the target")
    parser.add_argument("--head", type=Path, help="folder of the EAGLE-3 head")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    args = parser.parse_args()
    sizes = parse_sizes(args.set)
    write_target(args.out, args.seed, sizes)
    if args.head:
        write_head(args.head, args.seed, HeadSizes(target=sizes))


if __name__ == "__main__":
    main()
