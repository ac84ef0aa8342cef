"""Writes the pair in the layout and tensor names of the real checkpoints.

BF16 throughout, router weight and bias float32; shards of at most 15 MiB with an index.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from config import HeadConfig, TargetConfig, head_json, target_json
from model import Params

SHARD_BYTES = 15 * 1024 * 1024 - 64 * 1024
PREFIX = "language_model."
ATTENTION_NAMES = {
    "q": "q_proj",
    "k": "k_proj",
    "v": "v_proj",
    "o": "o_proj",
    "q_norm": "q_norm",
    "k_norm": "k_norm",
    "iq": "index_q_proj",
    "ik": "index_k_proj",
    "iq_norm": "index_q_norm",
    "ik_norm": "index_k_norm",
}
HEAD_NAMES = {
    "fc": "fc.weight",
    "fc_norm.0": "fc_norm.0.weight",
    "fc_norm.1": "fc_norm.1.weight",
    "fc_norm.2": "fc_norm.2.weight",
    "input_norm": "layers.0.input_layernorm.weight",
    "hidden_norm": "layers.0.hidden_norm.weight",
    "post_norm": "layers.0.post_attention_layernorm.weight",
    "q": "layers.0.self_attn.q_proj.weight",
    "k": "layers.0.self_attn.k_proj.weight",
    "v": "layers.0.self_attn.v_proj.weight",
    "o": "layers.0.self_attn.o_proj.weight",
    "gate": "layers.0.mlp.gate_proj.weight",
    "up": "layers.0.mlp.up_proj.weight",
    "down": "layers.0.mlp.down_proj.weight",
    "norm": "norm.weight",
}


def bf16(value: Tensor) -> Tensor:
    return value.detach().to("cpu", torch.bfloat16).contiguous()


def f32(value: Tensor) -> Tensor:
    return value.detach().to("cpu", torch.float32).contiguous()


def round_to_bf16(params: Params) -> Params:
    """The values that the exported files hold, as float32 tensors."""
    keep = ("router", "router_bias")
    return {
        name: value.detach().float() if name.endswith(keep) else value.detach().bfloat16().float()
        for name, value in params.items()
    }


def layer_tensors(params: Params, layer: int, config: TargetConfig) -> dict[str, Tensor]:
    """The tensors of one layer under their checkpoint names (without the global prefix)."""
    p = {k.split(".", 1)[1]: v for k, v in params.items() if k.startswith(f"{layer}.")}
    base = f"model.layers.{layer}."
    out = {
        base + "input_layernorm.weight": bf16(p["norm_in"]),
        base + "post_attention_layernorm.weight": bf16(p["norm_post"]),
    }
    for name, target in ATTENTION_NAMES.items():
        if name in p:
            out[f"{base}self_attn.{target}.weight"] = bf16(p[name])
    if not config.layer_pattern[layer]:
        for name in ("gate", "up", "down"):
            out[f"{base}mlp.{name}_proj.weight"] = bf16(p[name])
        return out
    moe = base + "block_sparse_moe."
    out[moe + "gate.weight"] = f32(p["router"])
    out[moe + "e_score_correction_bias"] = f32(p["router_bias"])
    for expert in range(config.num_experts):
        for name in ("w1", "w2", "w3"):
            out[f"{moe}experts.{expert}.{name}.weight"] = bf16(p[name][expert])
    for name in ("gate", "up", "down"):
        out[f"{moe}shared_experts.{name}_proj.weight"] = bf16(p[f"shared_{name}"])
    return out


def target_tensors(params: Params, config: TargetConfig) -> dict[str, Tensor]:
    """All tensors of the target in file order."""
    out = {PREFIX + "model.embed_tokens.weight": bf16(params["embed"])}
    for layer in range(config.num_layers):
        for name, value in layer_tensors(params, layer, config).items():
            out[PREFIX + name] = value
    out[PREFIX + "model.norm.weight"] = bf16(params["norm"])
    out[PREFIX + "lm_head.weight"] = bf16(params["lm_head"])
    return out


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(0o644)


def write_shards(tensors: dict[str, Tensor], folder: Path) -> int:
    """Shards with their index; returns the bytes of all tensors."""
    shards: list[dict[str, Tensor]] = [{}]
    used = 0
    for name, value in tensors.items():
        size = value.numel() * value.element_size()
        if used + size > SHARD_BYTES and shards[-1]:
            shards.append({})
            used = 0
        shards[-1][name] = value
        used += size
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        file_name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_tensors(shard, folder / file_name)
        weight_map |= dict.fromkeys(shard, file_name)
    total = sum(v.numel() * v.element_size() for v in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    text = json.dumps(index, indent=2) + "\n"
    (folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")
    return total


def export_target(params: Params, config: TargetConfig, ids: dict[str, int], out: Path) -> int:
    """Weights, index and config.json of the target; returns the tensor bytes."""
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.safetensors"):
        old.unlink()
    text = json.dumps(target_json(config, ids), indent=2) + "\n"
    (out / "config.json").write_text(text, encoding="utf-8")
    return write_shards(target_tensors(params, config), out)


def export_head(params: Params, config: HeadConfig, out: Path) -> int:
    """Weights and config.json of the drafter; embedding and lm_head are the target's."""
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(head_json(config), indent=2) + "\n"
    (out / "config.json").write_text(text, encoding="utf-8")
    tensors = {HEAD_NAMES[name]: bf16(value) for name, value in params.items()}
    save_tensors(tensors, out / "model.safetensors")
    return sum(v.numel() * v.element_size() for v in tensors.values())


def load_target(folder: Path, config: TargetConfig) -> Params:
    """Reads exported files back into training names."""
    from safetensors.torch import load_file

    files: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        files |= load_file(path)
    files = {name.removeprefix(PREFIX): value.float() for name, value in files.items()}
    params: Params = {
        "embed": files["model.embed_tokens.weight"],
        "lm_head": files["lm_head.weight"],
        "norm": files["model.norm.weight"],
    }
    for layer in range(config.num_layers):
        base = f"model.layers.{layer}."
        p = {
            "norm_in": files[base + "input_layernorm.weight"],
            "norm_post": files[base + "post_attention_layernorm.weight"],
        }
        for name, target in ATTENTION_NAMES.items():
            key = f"{base}self_attn.{target}.weight"
            if key in files:
                p[name] = files[key]
        moe = base + "block_sparse_moe."
        if moe + "gate.weight" in files:
            p["router"] = files[moe + "gate.weight"]
            p["router_bias"] = files[moe + "e_score_correction_bias"]
            for name in ("w1", "w2", "w3"):
                each = [files[f"{moe}experts.{e}.{name}.weight"] for e in range(config.num_experts)]
                p[name] = torch.stack(each)
            for name in ("gate", "up", "down"):
                p[f"shared_{name}"] = files[f"{moe}shared_experts.{name}_proj.weight"]
        else:
            for name in ("gate", "up", "down"):
                p[name] = files[f"{base}mlp.{name}_proj.weight"]
        params |= {f"{layer}.{name}": value for name, value in p.items()}
    return params


def load_head(folder: Path) -> Params:
    """Reads the exported drafter back into training names."""
    from safetensors.torch import load_file

    names = {target: name for name, target in HEAD_NAMES.items()}
    return {names[k]: v.float() for k, v in load_file(folder / "model.safetensors").items()}
