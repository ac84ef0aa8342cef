"""Compares an exported target with transformers' MiniMax-M3 text model in float32.

Reads only the exported files, so it checks the names, the layout and model.py at once.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoConfig, MiniMaxM3VLForCausalLM

import export
from config import TargetConfig
from model import Params, forward_hidden, gemma_norm, layer_params, linear, rope_table
from sparse import sparse_layer


def reference_state(params: Params, config: TargetConfig) -> dict[str, Tensor]:
    """The weights under the names of transformers' text-only class."""
    state = {
        "model.embed_tokens.weight": params["embed"],
        "model.norm.weight": params["norm"],
        "lm_head.weight": params["lm_head"],
    }
    attention = {name: f"{name}_proj" for name in "qkvo"}
    attention |= {"q_norm": "q_norm", "k_norm": "k_norm"}
    index = {"iq": "q_proj", "ik": "k_proj", "iq_norm": "q_norm", "ik_norm": "k_norm"}
    for layer in range(config.num_layers):
        p = layer_params(params, layer)
        base = f"model.layers.{layer}."
        state[base + "input_layernorm.weight"] = p["norm_in"]
        state[base + "post_attention_layernorm.weight"] = p["norm_post"]
        for name, target in attention.items():
            state[f"{base}self_attn.{target}.weight"] = p[name]
        if "gate" in p:
            state[base + "mlp.gate_up_proj.weight"] = torch.cat((p["gate"], p["up"]))
            state[base + "mlp.down_proj.weight"] = p["down"]
            continue
        for name, target in index.items():
            state[f"{base}self_attn.indexer.{target}.weight"] = p[name]
        state[base + "mlp.experts.gate_up_proj"] = torch.cat((p["w1"], p["w3"]), 1)
        state[base + "mlp.experts.down_proj"] = p["w2"]
        state[base + "mlp.gate.weight"] = p["router"]
        state[base + "mlp.gate.e_score_correction_bias"] = p["router_bias"]
        shared = torch.cat((p["shared_gate"], p["shared_up"]))
        state[base + "mlp.shared_experts.gate_up_proj.weight"] = shared
        state[base + "mlp.shared_experts.down_proj.weight"] = p["shared_down"]
    return state


def sparse_logits(params: Params, tokens: Tensor, config: TargetConfig, mode: str) -> Tensor:
    """Logits of whole rows in float32."""
    x = torch.nn.functional.embedding(tokens, params["embed"])
    positions = torch.arange(tokens.shape[1])[None].expand_as(tokens)
    rope = rope_table(positions, config.rotary_dim, config.rope_theta)
    for layer in range(config.num_layers):
        x, _, _ = sparse_layer(x, layer_params(params, layer), rope, config, mode)
    return linear(gemma_norm(x, params["norm"], config.rms_norm_eps), params["lm_head"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--length", type=int, default=1500)
    parser.add_argument("--text", type=Path, help="token source; random tokens without it")
    args = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    config = TargetConfig()
    params = export.load_target(args.model, config)
    text_config = AutoConfig.from_pretrained(args.model).text_config
    text_config._attn_implementation = "eager"
    model = MiniMaxM3VLForCausalLM(text_config).eval()
    assert model.model.rotary_emb.inv_freq.numel() == config.rotary_dim // 2
    missing, unexpected = model.load_state_dict(reference_state(params, config), strict=False)
    assert not missing and not unexpected, (missing, unexpected)
    torch.manual_seed(5)
    tokens = torch.randint(0, 4000, (1, args.length))
    if args.text:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(args.model / "tokenizer.json"))
        ids = tokenizer.encode(args.text.read_text(encoding="utf-8")).ids
        tokens = torch.tensor([ids[: args.length]])
    with torch.no_grad():
        expected = model(input_ids=tokens, use_cache=False).logits[0]
        actual = sparse_logits(params, tokens, config, "sparse")[0]
        dense = sparse_logits(params, tokens, config, "dense")[0]
        t = tokens.shape[1]
        mask = torch.ones(t, t, dtype=torch.bool).tril()[None, None]
        positions = torch.arange(t)[None]
        hidden, _, _ = forward_hidden(params, tokens, positions, mask, config)
        plain = linear(hidden, params["lm_head"])[0]
    row_error = (expected - actual).abs().amax(-1)
    report = {
        "tokens": t,
        "logit_magnitude": expected.abs().max().item(),
        "median_row_error": row_error.median().item(),
        "rows_over_1e-3": int((row_error > 1e-3).sum()),
        "argmax_equal": int((expected.argmax(-1) == actual.argmax(-1)).sum()),
        "max_sparse_minus_dense": (actual - dense).abs().max().item(),
        "max_dense_minus_train_forward": (plain - dense).abs().max().item(),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
