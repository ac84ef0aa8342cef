"""Sizes, config.json and tensor names of small MiniMax-M3 checkpoints and their EAGLE-3 heads.

The layout is that of the real files: config.json nested, names under `language_model.`, router
tensors in float32. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Tensor = tuple[str, tuple[int, ...], str]  # name, shape, dtype


@dataclass(frozen=True)
class M3Sizes:
    """Sizes of a target. Layers from `num_dense_layers` on have experts and sparse attention."""

    vocab_size: int = 320
    hidden_size: int = 64
    num_layers: int = 6
    num_dense_layers: int = 1
    num_heads: int = 4
    num_kv_heads: int = 2
    head_dim: int = 32
    rotary_dim: int = 16
    rope_theta: float = 5000000.0
    rms_norm_eps: float = 1e-6
    dense_size: int = 128
    expert_size: int = 64
    shared_size: int = 64
    num_experts: int = 8
    experts_per_token: int = 2
    routed_scaling_factor: float = 2.0
    swiglu_alpha: float = 1.702
    swiglu_limit: float = 7.0
    index_dim: int = 32
    block_size: int = 128
    topk_blocks: int = 2
    max_positions: int = 8192

    @property
    def layer_pattern(self) -> list[int]:
        return [int(layer >= self.num_dense_layers) for layer in range(self.num_layers)]

    @property
    def taps(self) -> list[int]:
        return [2, self.num_layers // 2, self.num_layers - 3]


@dataclass(frozen=True)
class HeadSizes:
    """Sizes and options of an EAGLE-3 head."""

    target: M3Sizes
    intermediate_size: int = 128
    num_heads: int = 4
    num_kv_heads: int = 2
    head_dim: int = 32
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-6
    draft_vocab_size: int = 0  # 0: the target's vocabulary, no d2t
    fc_norm: bool = True
    norm_output: bool = True
    norm_before_residual: bool = False
    own_embedding: bool = False
    own_head: bool = False
    layer_prefix: str = "layers.0."

    @property
    def num_draft_ids(self) -> int:
        return self.draft_vocab_size or self.target.vocab_size


def text_config(sizes: M3Sizes) -> dict:
    """The `text_config` of config.json."""
    pattern = sizes.layer_pattern
    return {
        "architectures": ["MiniMaxM3SparseForCausalLM"],
        "attention_output_gate": False,
        "dense_intermediate_size": sizes.dense_size,
        "head_dim": sizes.head_dim,
        "hidden_act": "swigluoai",
        "hidden_size": sizes.hidden_size,
        "intermediate_size": sizes.expert_size,
        "max_position_embeddings": sizes.max_positions,
        "moe_layer_freq": pattern,
        "n_shared_experts": 1,
        "num_attention_heads": sizes.num_heads,
        "num_experts_per_tok": sizes.experts_per_token,
        "num_hidden_layers": sizes.num_layers,
        "num_key_value_heads": sizes.num_kv_heads,
        "num_local_experts": sizes.num_experts,
        "partial_rotary_factor": sizes.rotary_dim / sizes.head_dim,
        "qk_norm_type": "per_head",
        "rms_norm_eps": sizes.rms_norm_eps,
        "rope_theta": sizes.rope_theta,
        "rotary_dim": sizes.rotary_dim,
        "routed_scaling_factor": sizes.routed_scaling_factor,
        "scoring_func": "sigmoid",
        "shared_intermediate_size": sizes.shared_size,
        "sparse_attention_config": {
            "use_sparse_attention": True,
            "sparse_attention_freq": pattern,
            "sparse_num_index_heads": sizes.num_kv_heads,
            "sparse_index_dim": sizes.index_dim,
            "sparse_block_size": sizes.block_size,
            "sparse_topk_blocks": sizes.topk_blocks,
            "sparse_init_block": 0,
            "sparse_local_block": 1,
            "sparse_score_type": "max",
            "sparse_disable_index_value": pattern,
        },
        "swiglu_alpha": sizes.swiglu_alpha,
        "swiglu_limit": sizes.swiglu_limit,
        "tie_word_embeddings": False,
        "use_gemma_norm": True,
        "use_qk_norm": True,
        "use_routing_bias": True,
        "vocab_size": sizes.vocab_size,
    }


def target_config(sizes: M3Sizes) -> dict:
    """config.json of a target."""
    return {
        "architectures": ["MiniMaxM3SparseForConditionalGeneration"],
        "model_type": "minimax_m3_vl",
        "text_config": text_config(sizes),
        "torch_dtype": "bfloat16",
    }


def head_config(sizes: HeadSizes) -> dict:
    """config.json of an EAGLE-3 head."""
    return {
        "architectures": ["LlamaForCausalLMEagle3"],
        "attention_bias": False,
        "draft_vocab_size": sizes.num_draft_ids,
        "eagle_config": {
            "eagle_aux_hidden_state_layer_ids": sizes.target.taps,
            "use_aux_hidden_state": True,
        },
        "fc_norm": sizes.fc_norm,
        "head_dim": sizes.head_dim,
        "hidden_act": "silu",
        "hidden_size": sizes.target.hidden_size,
        "intermediate_size": sizes.intermediate_size,
        "max_position_embeddings": sizes.target.max_positions,
        "mlp_bias": False,
        "model_type": "llama",
        "norm_before_residual": sizes.norm_before_residual,
        "norm_output": sizes.norm_output,
        "num_attention_heads": sizes.num_heads,
        "num_aux_hidden_states": len(sizes.target.taps),
        "num_hidden_layers": 1,
        "num_key_value_heads": sizes.num_kv_heads,
        "rms_norm_eps": sizes.rms_norm_eps,
        "rope_theta": sizes.rope_theta,
        "target_hidden_size": sizes.target.hidden_size,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "vocab_size": sizes.target.vocab_size,
    }


def layer_tensors(sizes: M3Sizes, layer: int) -> Iterator[Tensor]:
    """The tensors of one layer of a target."""
    hidden = sizes.hidden_size
    kv_width = sizes.num_kv_heads * sizes.head_dim
    base = f"language_model.model.layers.{layer}."
    attention = base + "self_attn."
    yield base + "input_layernorm.weight", (hidden,), "BF16"
    yield base + "post_attention_layernorm.weight", (hidden,), "BF16"
    yield attention + "q_proj.weight", (sizes.num_heads * sizes.head_dim, hidden), "BF16"
    yield attention + "k_proj.weight", (kv_width, hidden), "BF16"
    yield attention + "v_proj.weight", (kv_width, hidden), "BF16"
    yield attention + "o_proj.weight", (hidden, sizes.num_heads * sizes.head_dim), "BF16"
    yield attention + "q_norm.weight", (sizes.head_dim,), "BF16"
    yield attention + "k_norm.weight", (sizes.head_dim,), "BF16"
    if not sizes.layer_pattern[layer]:
        for name in ("gate_proj", "up_proj"):
            yield f"{base}mlp.{name}.weight", (sizes.dense_size, hidden), "BF16"
        yield f"{base}mlp.down_proj.weight", (hidden, sizes.dense_size), "BF16"
        return
    index_width = sizes.num_kv_heads * sizes.index_dim
    yield attention + "index_q_proj.weight", (index_width, hidden), "BF16"
    yield attention + "index_k_proj.weight", (sizes.index_dim, hidden), "BF16"
    yield attention + "index_q_norm.weight", (sizes.index_dim,), "BF16"
    yield attention + "index_k_norm.weight", (sizes.index_dim,), "BF16"
    moe = base + "block_sparse_moe."
    yield moe + "gate.weight", (sizes.num_experts, hidden), "F32"
    yield moe + "e_score_correction_bias", (sizes.num_experts,), "F32"
    for expert in range(sizes.num_experts):
        for name in ("w1", "w3"):
            yield f"{moe}experts.{expert}.{name}.weight", (sizes.expert_size, hidden), "BF16"
        yield f"{moe}experts.{expert}.w2.weight", (hidden, sizes.expert_size), "BF16"
    for name in ("gate_proj", "up_proj"):
        yield f"{moe}shared_experts.{name}.weight", (sizes.shared_size, hidden), "BF16"
    yield f"{moe}shared_experts.down_proj.weight", (hidden, sizes.shared_size), "BF16"


def target_tensors(sizes: M3Sizes) -> Iterator[Tensor]:
    """All tensors of a target."""
    table = (sizes.vocab_size, sizes.hidden_size)
    yield "language_model.model.embed_tokens.weight", table, "BF16"
    for layer in range(sizes.num_layers):
        yield from layer_tensors(sizes, layer)
    yield "language_model.model.norm.weight", (sizes.hidden_size,), "BF16"
    yield "language_model.lm_head.weight", table, "BF16"


def head_tensors(sizes: HeadSizes) -> Iterator[Tensor]:
    """All BF16 tensors of an EAGLE-3 head (d2t and t2d come apart)."""
    hidden = sizes.target.hidden_size
    taps = len(sizes.target.taps)
    q_width = sizes.num_heads * sizes.head_dim
    kv_width = sizes.num_kv_heads * sizes.head_dim
    base = sizes.layer_prefix
    if sizes.own_embedding:
        yield "embed_tokens.weight", (sizes.target.vocab_size, hidden), "BF16"
    yield "fc.weight", (hidden, taps * hidden), "BF16"
    if sizes.fc_norm:
        for tap in range(taps):
            yield f"fc_norm.{tap}.weight", (hidden,), "BF16"
    for name in ("input_layernorm", "hidden_norm", "post_attention_layernorm"):
        yield f"{base}{name}.weight", (hidden,), "BF16"
    yield base + "self_attn.q_proj.weight", (q_width, 2 * hidden), "BF16"
    yield base + "self_attn.k_proj.weight", (kv_width, 2 * hidden), "BF16"
    yield base + "self_attn.v_proj.weight", (kv_width, 2 * hidden), "BF16"
    yield base + "self_attn.o_proj.weight", (hidden, q_width), "BF16"
    yield base + "mlp.gate_proj.weight", (sizes.intermediate_size, hidden), "BF16"
    yield base + "mlp.up_proj.weight", (sizes.intermediate_size, hidden), "BF16"
    yield base + "mlp.down_proj.weight", (hidden, sizes.intermediate_size), "BF16"
    yield "norm.weight", (hidden,), "BF16"
    if sizes.own_head or sizes.draft_vocab_size:
        yield "lm_head.weight", (sizes.num_draft_ids, hidden), "BF16"
