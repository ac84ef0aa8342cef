#!/usr/bin/env python3
"""Writes tests/golden/eagle3_*.json: reference outputs of random EAGLE-3 heads.

The head is assembled from transformers' Llama parts (norm, MLP, rotary embedding) in float32, with
the input, the residual and the carried hidden of spec/eagle3.md 14.1. Weights and taps come from
random_weights.py and are not stored. Needs torch and transformers; nothing that builds or tests
Talon calls this.

    python3 tools/make_eagle3_goldens.py [--output DIR]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import (
    LlamaMLP,
    LlamaRMSNorm,
    LlamaRotaryEmbedding,
    apply_rotary_pos_emb,
    repeat_kv,
)

from m3_layout import HeadSizes, M3Sizes, head_config, head_tensors, target_tensors
from make_goldens import compact
from random_weights import random_bf16, random_tokens, widen

NUM_ROWS = 12
NUM_DRAFTS = 5


@dataclass(frozen=True)
class Case:
    name: str
    seed: int
    sizes: HeadSizes


CASES = [
    Case("eagle3_normed", 31, HeadSizes(target=M3Sizes())),
    Case(
        "eagle3_plain",
        32,
        HeadSizes(
            target=M3Sizes(),
            num_kv_heads=4,
            rope_theta=500000.0,
            draft_vocab_size=100,
            fc_norm=False,
            norm_output=False,
            norm_before_residual=True,
            own_embedding=True,
            own_head=True,
        ),
    ),
]


def random_matrix(seed: int, name: str, shape: tuple[int, ...]) -> Tensor:
    return torch.frombuffer(widen(random_bf16(seed, name, shape)), dtype=torch.float32).view(shape)


class Head:
    """One layer with its cache, as tensors that grow by rows."""

    def __init__(self, case: Case) -> None:
        sizes = case.sizes
        self.sizes = sizes
        prefix = sizes.layer_prefix
        self.weights = {
            name.removeprefix(prefix): random_matrix(case.seed, name.removeprefix(prefix), shape)
            for name, shape, _ in head_tensors(sizes)
        }
        shared = {
            name.removeprefix("language_model.").removeprefix("model."): (name, shape)
            for name, shape, _ in target_tensors(sizes.target)
        }
        for name in ("embed_tokens.weight", "lm_head.weight"):
            if name not in self.weights:
                self.weights[name] = random_matrix(case.seed, *shared[name])
        config = LlamaConfig(
            hidden_size=sizes.target.hidden_size,
            intermediate_size=sizes.intermediate_size,
            num_attention_heads=sizes.num_heads,
            num_key_value_heads=sizes.num_kv_heads,
            head_dim=sizes.head_dim,
            rope_parameters={"rope_type": "default", "rope_theta": sizes.rope_theta},
        )
        self.rotary = LlamaRotaryEmbedding(config)
        self.mlp = LlamaMLP(config)
        parts = ("gate_proj", "up_proj", "down_proj")
        self.mlp.load_state_dict({f"{p}.weight": self.weights[f"mlp.{p}.weight"] for p in parts})
        self.keys = torch.zeros(1, sizes.num_kv_heads, 0, sizes.head_dim)
        self.values = self.keys.clone()

    def norm(self, x: Tensor, name: str) -> Tensor:
        module = LlamaRMSNorm(x.shape[-1], self.sizes.rms_norm_eps)
        module.load_state_dict({"weight": self.weights[name + ".weight"]})
        return module(x)

    def linear(self, x: Tensor, name: str) -> Tensor:
        return torch.nn.functional.linear(x, self.weights[name + ".weight"])

    def combine(self, taps: Tensor) -> Tensor:
        if self.sizes.fc_norm:
            parts = taps.chunk(len(self.sizes.target.taps), -1)
            taps = torch.cat([self.norm(p, f"fc_norm.{i}") for i, p in enumerate(parts)], -1)
        return self.linear(taps, "fc")

    def rows(self, tokens: list[int], hidden: Tensor) -> Tensor:
        """Runs rows at the positions that follow the cache; returns the carried hidden."""
        sizes = self.sizes
        first = self.keys.shape[2]
        embedded = self.weights["embed_tokens.weight"][tokens][None]
        normed = self.norm(hidden, "hidden_norm")
        z = torch.cat((self.norm(embedded, "input_layernorm"), normed), -1)

        def heads(name: str) -> Tensor:
            return self.linear(z, f"self_attn.{name}").unflatten(-1, (-1, sizes.head_dim))

        q, k, v = (heads(name).transpose(1, 2) for name in ("q_proj", "k_proj", "v_proj"))
        positions = torch.arange(first, first + len(tokens))[None]
        q, k = apply_rotary_pos_emb(q, k, *self.rotary(z, positions))
        self.keys = torch.cat((self.keys, k), 2)
        self.values = torch.cat((self.values, v), 2)
        repeat = sizes.num_heads // sizes.num_kv_heads
        scores = q @ repeat_kv(self.keys, repeat).transpose(2, 3) * sizes.head_dim**-0.5
        future = torch.arange(self.keys.shape[2])[None] > positions[0][:, None]
        weights = scores.masked_fill(future, float("-inf")).softmax(-1)
        context = (weights @ repeat_kv(self.values, repeat)).transpose(1, 2).flatten(2)
        residual = normed if sizes.norm_before_residual else hidden
        residual = residual + self.linear(context, "self_attn.o_proj")
        out = residual + self.mlp(self.norm(residual, "post_attention_layernorm"))
        return self.norm(out, "norm") if sizes.norm_output else out

    def logits(self, hidden: Tensor) -> Tensor:
        hidden = hidden if self.sizes.norm_output else self.norm(hidden, "norm")
        return self.linear(hidden, "lm_head")


def run(case: Case) -> dict:
    """The golden: an extension over all rows, then a greedy chain from the last one."""
    sizes = case.sizes
    head = Head(case)
    width = len(sizes.target.taps) * sizes.target.hidden_size
    tokens = random_tokens(case.seed, NUM_ROWS, sizes.target.vocab_size)
    taps = random_matrix(case.seed, "taps", (NUM_ROWS, width))[None]
    with torch.no_grad():
        extended = head.rows(tokens, head.combine(taps))
        hidden = extended[:, -1:]
        drafts, chain, logits = [], [], []
        for _ in range(NUM_DRAFTS):
            if drafts:
                hidden = head.rows(drafts[-1:], hidden)
            chain.append(hidden[0, 0].tolist())
            logits.append(head.logits(hidden)[0, 0].tolist())
            draft = int(head.logits(hidden).argmax())
            drafts.append(draft * sizes.target.vocab_size // sizes.num_draft_ids)
    return {
        "name": case.name,
        "seed": case.seed,
        "config": head_config(sizes),
        "tokens": tokens,
        "extended": extended[0].tolist(),
        "drafts": drafts,
        "chain": chain,
        "logits": logits,
        "keys": head.keys[0].transpose(0, 1).flatten(1).tolist(),
        "values": head.values[0].transpose(0, 1).flatten(1).tolist(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    default = Path(__file__).resolve().parent.parent / "tests" / "golden"
    parser.add_argument("--output", type=Path, default=default)
    args = parser.parse_args()
    for case in CASES:
        lines = [f'"{key}": {compact(value)}' for key, value in run(case).items()]
        path = args.output / f"{case.name}.json"
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
