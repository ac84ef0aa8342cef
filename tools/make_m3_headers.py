#!/usr/bin/env python3
"""Writes MiniMax-M3 as sparse safetensors files: true headers and index, no data on disk.

Usage: tools/make_m3_headers.py [--format bf16|mxfp8|mxfp4] [--index-only] OUT

The table is typed from the published listing (names, shapes, dtypes) and shares nothing with
Talon's loader, so `talon inspect OUT` compares two independent readings of it. The data of a file
is a hole: 854 GB take a few megabytes. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path

Tensor = tuple[str, tuple[int, ...], str]  # name, shape, dtype

ITEM_BYTES = {"BF16": 2, "F32": 4, "F8_E4M3": 1, "U8": 1}
NUM_FILES = {"bf16": 59, "mxfp8": 31, "mxfp4": 31}
PATTERN = [0, 0, 0] + [1] * 57
LAYER_TENSORS = [
    ("input_layernorm.weight", (6144,)),
    ("post_attention_layernorm.weight", (6144,)),
    ("self_attn.q_proj.weight", (8192, 6144)),
    ("self_attn.k_proj.weight", (512, 6144)),
    ("self_attn.v_proj.weight", (512, 6144)),
    ("self_attn.o_proj.weight", (6144, 8192)),
    ("self_attn.q_norm.weight", (128,)),
    ("self_attn.k_norm.weight", (128,)),
]
SPARSE_TENSORS = [
    ("self_attn.index_q_proj.weight", (512, 6144)),
    ("self_attn.index_k_proj.weight", (128, 6144)),
    ("self_attn.index_q_norm.weight", (128,)),
    ("self_attn.index_k_norm.weight", (128,)),
]
DENSE_TENSORS = [
    ("mlp.gate_proj.weight", (12288, 6144)),
    ("mlp.up_proj.weight", (12288, 6144)),
    ("mlp.down_proj.weight", (6144, 12288)),
]
EXPERT_TENSORS = [
    ("w1.weight", (3072, 6144)),
    ("w2.weight", (6144, 3072)),
    ("w3.weight", (3072, 6144)),
]
SHARED_TENSORS = [
    ("block_sparse_moe.shared_experts.gate_proj.weight", (3072, 6144)),
    ("block_sparse_moe.shared_experts.up_proj.weight", (3072, 6144)),
    ("block_sparse_moe.shared_experts.down_proj.weight", (6144, 3072)),
]
CONNECTOR_TENSORS = [
    ("multi_modal_projector.linear_1", (6144, 1280)),
    ("multi_modal_projector.linear_2", (6144, 6144)),
    ("patch_merge_mlp.linear_1", (6144, 24576)),
    ("patch_merge_mlp.linear_2", (6144, 6144)),
]
CONFIG = {
    "architectures": ["MiniMaxM3SparseForConditionalGeneration"],
    "image_token_index": 200025,
    "model_type": "minimax_m3_vl",
    "projector_hidden_size": 6144,
    "text_config": {
        "architectures": ["MiniMaxM3SparseForCausalLM"],
        "attention_output_gate": False,
        "dense_intermediate_size": 12288,
        "head_dim": 128,
        "hidden_act": "swigluoai",
        "hidden_size": 6144,
        "intermediate_size": 3072,
        "max_position_embeddings": 1048576,
        "moe_layer_freq": PATTERN,
        "n_shared_experts": 1,
        "num_attention_heads": 64,
        "num_experts_per_tok": 4,
        "num_hidden_layers": 60,
        "num_key_value_heads": 4,
        "num_local_experts": 128,
        "num_mtp_modules": 7,
        "num_nextn_predict_layers": 1,
        "partial_rotary_factor": 0.5,
        "qk_norm_type": "per_head",
        "rms_norm_eps": 1e-06,
        "rope_theta": 5000000,
        "rotary_dim": 64,
        "routed_scaling_factor": 2.0,
        "scoring_func": "sigmoid",
        "shared_intermediate_size": 3072,
        "sparse_attention_config": {
            "sparse_attention_freq": PATTERN,
            "sparse_block_size": 128,
            "sparse_disable_index_value": PATTERN,
            "sparse_index_dim": 128,
            "sparse_init_block": 0,
            "sparse_local_block": 1,
            "sparse_num_index_heads": 4,
            "sparse_score_type": "max",
            "sparse_topk_blocks": 16,
            "use_sparse_attention": True,
        },
        "swiglu_alpha": 1.702,
        "swiglu_limit": 7.0,
        "tie_word_embeddings": False,
        "use_gemma_norm": True,
        "use_qk_norm": True,
        "use_routing_bias": True,
        "vocab_size": 200064,
    },
    "torch_dtype": "bfloat16",
    "video_token_index": 200026,
    "vision_config": {"hidden_size": 1280, "num_hidden_layers": 32, "patch_size": 14},
}
FP4_CONFIG = {
    "dtype": "fp4", "qscheme": "per_group", "group_size": 32, "ch_axis": -1,
    "scale_format": "e8m0", "is_dynamic": False,
}
QUANTISATION = {
    "mxfp8": {
        "quant_method": "mxfp8",
        "activation_scheme": "dynamic",
        "weight_block_size": [1, 32],
        "ignored_layers": ["lm_head", "model.embed_tokens", "vision_tower", "multi_modal_projector",
                           "patch_merge_mlp"]
        + [f"language_model.model.layers.{layer}.block_sparse_moe.gate" for layer in range(3, 60)],
    },
    "mxfp4": {
        "quant_method": "quark",
        "global_quant_config": {
            "weight": FP4_CONFIG,
            "input_tensors": FP4_CONFIG | {"is_dynamic": True},
        },
        "layer_quant_config": {},
        "layer_type_quant_config": {},
        "exclude": ["*lm_head", "*vision_tower*", "*multi_modal_projector*", "*patch_merge_mlp*",
                    "*block_sparse_moe.gate", "*self_attn*", "*mlp.gate_proj", "*mlp.up_proj",
                    "*mlp.down_proj"],
        "export": {"weight_format": "real_quantized", "pack_method": "reorder"},
    },
}


def text_tensors() -> Iterator[Tensor]:
    """The 22 893 tensors of the language model in BF16."""
    yield "language_model.lm_head.weight", (200064, 6144), "BF16"
    yield "language_model.model.embed_tokens.weight", (200064, 6144), "BF16"
    yield "language_model.model.norm.weight", (6144,), "BF16"
    for layer, is_sparse in enumerate(PATTERN):
        base = f"language_model.model.layers.{layer}."
        names = LAYER_TENSORS + (SPARSE_TENSORS + SHARED_TENSORS if is_sparse else DENSE_TENSORS)
        for name, shape in names:
            yield base + name, shape, "BF16"
        if not is_sparse:
            continue
        yield base + "block_sparse_moe.gate.weight", (128, 6144), "F32"
        yield base + "block_sparse_moe.e_score_correction_bias", (128,), "F32"
        for expert in range(128):
            for name, shape in EXPERT_TENSORS:
                yield f"{base}block_sparse_moe.experts.{expert}.{name}", shape, "BF16"


def vision_tensors() -> Iterator[Tensor]:
    """The 523 tensors of the vision tower and its connectors."""
    vision = "vision_tower.vision_model."
    yield vision + "embeddings.patch_embedding.weight", (1280, 3, 2, 14, 14), "F32"
    pairs = [(vision + "pre_layrnorm", (1280,))]
    for layer in range(32):
        base = f"{vision}encoder.layers.{layer}."
        pairs += [(base + name, (1280,)) for name in ("layer_norm1", "layer_norm2")]
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            pairs.append((f"{base}self_attn.{name}", (1280, 1280)))
        pairs += [(base + "mlp.fc1", (5120, 1280)), (base + "mlp.fc2", (1280, 5120))]
    for name, shape in pairs + CONNECTOR_TENSORS:
        yield name + ".weight", shape, "BF16"
        yield name + ".bias", shape[:1], "BF16"


def is_quantised(name: str, scheme: str) -> bool:
    """Whether a tensor of the language model is a matrix that the scheme stores in 8 or 4 bits."""
    if scheme == "mxfp8":
        return "_proj." in name or ".experts." in name
    return scheme == "mxfp4" and (".experts." in name or ".shared_experts." in name)


def stored(tensor: Tensor, scheme: str) -> Iterator[Tensor]:
    """The tensor as the scheme stores it: itself, or values and scales."""
    name, shape, _ = tensor
    if not is_quantised(name, scheme):
        yield tensor
        return
    rows, columns = shape
    stem = name.removesuffix(".weight")
    if scheme == "mxfp8":
        yield name, shape, "F8_E4M3"
        yield stem + ".weight_scale_inv", (rows, columns // 32), "U8"
    else:
        yield name, (rows, columns // 2), "U8"
        yield stem + ".weight_scale", (rows, columns // 32), "U8"


def num_bytes(tensor: Tensor) -> int:
    return math.prod(tensor[1]) * ITEM_BYTES[tensor[2]]


def split(tensors: list[Tensor], num_files: int) -> list[list[Tensor]]:
    """Cuts the list into files of about equal size."""
    total = sum(map(num_bytes, tensors))
    shards: list[list[Tensor]] = [[] for _ in range(num_files)]
    used = 0
    for tensor in tensors:
        shards[min(used * num_files // total, num_files - 1)].append(tensor)
        used += num_bytes(tensor)
    return shards


def write_shard(path: Path, tensors: list[Tensor]) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape, dtype in tensors:
        begin, end = end, end + num_bytes((name, shape, dtype))
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)


def write_repository(out: Path, scheme: str, index_only: bool) -> None:
    """config.json, the index and, unless only that is asked for, the shards."""
    out.mkdir(parents=True, exist_ok=True)
    config = dict(CONFIG)
    if scheme in QUANTISATION:
        config["quantization_config"] = QUANTISATION[scheme]
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    tensors = [part for tensor in text_tensors() for part in stored(tensor, scheme)]
    tensors += vision_tensors()
    shards = split(tensors, NUM_FILES[scheme])
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        weight_map |= {tensor[0]: name for tensor in shard}
        if not index_only:
            write_shard(out / name, shard)
    total = sum(map(num_bytes, tensors))
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    (out / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--format", choices=sorted(NUM_FILES), default="bf16")
    parser.add_argument("--index-only", action="store_true", help="no shards, only their index")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    write_repository(arguments.out, arguments.format, arguments.index_only)


if __name__ == "__main__":
    main()
