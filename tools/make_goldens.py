#!/usr/bin/env python3
"""Writes tests/golden/*.json: reference outputs of small random MiniMax-M3 models.

The reference is transformers' `minimax_m3_vl` text model (5.12 or newer; made with 5.17.0) in
float32 with eager attention on the CPU. Weights are not stored: random_weights.py and
tests/support/random_weights.h make them from the seed. Needs torch and transformers; nothing that
builds or tests Talon calls this.

    python3 tools/make_goldens.py [--only NAME] [--output DIR]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import MiniMaxM3VLForCausalLM, MiniMaxM3VLTextConfig

from m3_layout import M3Sizes, target_config, target_tensors, text_config
from random_weights import random_bf16, random_tokens, widen


@dataclass(frozen=True)
class Case:
    """One golden: a model, a prompt length, and how many rows to keep."""

    name: str
    seed: int
    num_tokens: int
    num_rows: int
    sizes: M3Sizes


CASES = [
    Case("short_all_rows", 11, 17, 17, M3Sizes(vocab_size=96, num_layers=8)),
    Case(
        "group1_dim32",
        12,
        700,
        48,
        M3Sizes(
            vocab_size=96,
            num_layers=3,
            num_heads=4,
            num_kv_heads=4,
            num_experts=4,
            experts_per_token=1,
            topk_blocks=2,
        ),
    ),
    Case(
        "group2_dim64",
        13,
        900,
        48,
        M3Sizes(
            vocab_size=96,
            hidden_size=96,
            num_layers=4,
            num_dense_layers=2,
            num_heads=4,
            num_kv_heads=2,
            head_dim=64,
            rotary_dim=32,
            num_experts=8,
            experts_per_token=2,
            index_dim=64,
            topk_blocks=3,
        ),
    ),
    Case(
        "group4_dim32_full_rotary",
        14,
        1500,
        64,
        M3Sizes(
            vocab_size=96,
            num_layers=4,
            num_heads=8,
            num_kv_heads=2,
            rotary_dim=32,
            num_experts=16,
            experts_per_token=4,
            index_dim=64,
            topk_blocks=4,
        ),
    ),
    Case(
        "group8_dim128",
        15,
        600,
        48,
        M3Sizes(
            vocab_size=96,
            hidden_size=128,
            num_layers=3,
            num_heads=8,
            num_kv_heads=1,
            head_dim=128,
            rotary_dim=64,
            num_experts=8,
            experts_per_token=3,
            index_dim=128,
            topk_blocks=2,
        ),
    ),
    Case(
        "other_constants",
        16,
        400,
        48,
        M3Sizes(
            vocab_size=96,
            num_layers=4,
            num_dense_layers=2,
            num_experts=6,
            experts_per_token=3,
            rope_theta=10000.0,
            rms_norm_eps=1e-5,
            routed_scaling_factor=1.5,
            swiglu_alpha=1.25,
            swiglu_limit=2.0,
            shared_size=96,
        ),
    ),
    Case(
        "real_constants",
        17,
        3000,
        512,
        M3Sizes(
            vocab_size=64,
            hidden_size=256,
            num_layers=3,
            num_heads=16,
            num_kv_heads=4,
            head_dim=128,
            rotary_dim=64,
            dense_size=512,
            num_experts=16,
            experts_per_token=4,
            index_dim=128,
            topk_blocks=16,
        ),
    ),
]


def weights(case: Case) -> dict[str, Tensor]:
    """Every tensor under its checkpoint name, float32 holding bf16 values."""
    out = {}
    for name, shape, _ in target_tensors(case.sizes):
        values = widen(random_bf16(case.seed, name, shape))
        out[name] = torch.frombuffer(values, dtype=torch.float32).view(shape).clone()
    return out


def text_state(files: dict[str, Tensor], sizes: M3Sizes) -> dict[str, Tensor]:
    """The same under the names of transformers' text-only class."""
    prefix = "language_model."
    state = {}
    for name, value in files.items():
        if ".experts." in name or "gate_proj" in name or "up_proj" in name:
            continue
        name = name.removeprefix(prefix)
        name = name.replace("block_sparse_moe.e_score", "mlp.gate.e_score")
        name = name.replace("block_sparse_moe.", "mlp.")
        for part in ("q_proj", "k_proj", "q_norm", "k_norm"):
            name = name.replace(f"self_attn.index_{part}", f"self_attn.indexer.{part}")
        state[name] = value

    def stacked(base: str, gate: str = "gate_proj", up: str = "up_proj") -> Tensor:
        return torch.cat((files[f"{base}{gate}.weight"], files[f"{base}{up}.weight"]))

    for layer, is_moe in enumerate(sizes.layer_pattern):
        source = f"{prefix}model.layers.{layer}."
        target = f"model.layers.{layer}.mlp."
        if not is_moe:
            state[target + "gate_up_proj.weight"] = stacked(source + "mlp.")
            continue
        moe = source + "block_sparse_moe."
        experts = range(sizes.num_experts)
        state[target + "shared_experts.gate_up_proj.weight"] = stacked(moe + "shared_experts.")
        state[target + "experts.gate_up_proj"] = torch.stack(
            [stacked(f"{moe}experts.{e}.", "w1", "w3") for e in experts]
        )
        state[target + "experts.down_proj"] = torch.stack(
            [files[f"{moe}experts.{e}.w2.weight"] for e in experts]
        )
    return state


def build_model(case: Case) -> MiniMaxM3VLForCausalLM:
    """transformers' model with our weights; every parameter and buffer must be given."""
    sizes = case.sizes
    keys = text_config(sizes)
    rope = {"rope_type": "default", "rope_theta": keys.pop("rope_theta")}
    rope["partial_rotary_factor"] = keys.pop("partial_rotary_factor")
    config = MiniMaxM3VLTextConfig(
        **keys, rope_parameters=rope, bos_token_id=1, eos_token_id=2, pad_token_id=None
    )
    config._attn_implementation = "eager"
    config._experts_implementation = "eager"
    model = MiniMaxM3VLForCausalLM(config).float().eval()
    assert model.model.rotary_emb.inv_freq.numel() == sizes.rotary_dim // 2
    state = text_state(weights(case), sizes)
    model.load_state_dict(state, strict=True)
    return model


def chosen_rows(case: Case) -> list[int]:
    """All block borders and the end, then rows spread evenly."""
    n = case.num_tokens
    edges = {0, 1, n - 2, n - 1}
    for border in range(128, n, 128):
        edges |= {border - 1, border}
    rows = {row for row in edges if 0 <= row < n}
    spread = case.num_rows - len(rows)
    for i in range(spread):
        rows.add((2 * i + 1) * n // (2 * spread))
    return sorted(rows)


def run(case: Case) -> dict:
    """The golden as a value."""
    model = build_model(case)
    tokens = random_tokens(case.seed, case.num_tokens, case.sizes.vocab_size)
    inputs: dict[int, Tensor] = {}
    for index, layer in enumerate(model.model.layers):
        layer.register_forward_pre_hook(
            lambda _, args, index=index: inputs.update({index: args[0][0]})
        )
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0]
    rows = chosen_rows(case)
    tap_rows = [rows[i * (len(rows) - 1) // 7] for i in range(8)]
    tap_layers = sorted({1, case.sizes.num_layers - 1, *case.sizes.taps} - {0, -1})
    return {
        "name": case.name,
        "seed": case.seed,
        "config": target_config(case.sizes),
        "tokens": tokens,
        "rows": rows,
        "logits": logits[rows].tolist(),
        "tap_layers": tap_layers,
        "tap_rows": tap_rows,
        "taps": [inputs[layer][row].tolist() for layer in tap_layers for row in tap_rows],
    }


def compact(value: object) -> str:
    """JSON with one line for each row of numbers; floats keep the nine digits of a float32."""
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, list) and value and isinstance(value[0], list):
        return "[\n" + ",\n".join(compact(row) for row in value) + "\n]"
    if isinstance(value, list):
        return "[" + ",".join(compact(item) for item in value) + "]"
    return json.dumps(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", help="name of one case")
    default = Path(__file__).resolve().parent.parent / "tests" / "golden"
    parser.add_argument("--output", type=Path, default=default)
    args = parser.parse_args()
    torch.set_num_threads(2)
    for case in CASES:
        if args.only in (None, case.name):
            golden = run(case)
            lines = [f'"{key}": {compact(value)}' for key, value in golden.items()]
            path = args.output / f"{case.name}.json"
            path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
            print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
