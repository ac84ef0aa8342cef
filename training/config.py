"""Sizes of the tiny pair and their form in the checkpoint's config.json files."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TargetConfig:
    """A MiniMax-M3 text model in miniature. The first layer is dense, the others MoE and sparse."""

    vocab_size: int = 4096
    hidden_size: int = 256
    num_layers: int = 10
    num_dense_layers: int = 1
    num_heads: int = 8
    num_kv_heads: int = 2
    head_dim: int = 32
    rotary_dim: int = 16
    rope_theta: float = 10000.0
    num_experts: int = 16
    experts_per_token: int = 4
    expert_size: int = 64
    shared_size: int = 128
    dense_size: int = 768
    routed_scaling_factor: float = 2.0
    index_dim: int = 32
    block_size: int = 128
    topk_blocks: int = 4
    rms_norm_eps: float = 1e-6
    swiglu_alpha: float = 1.702
    swiglu_limit: float = 7.0
    max_positions: int = 8192

    @property
    def taps(self) -> tuple[int, int, int]:
        """Layers whose input the drafter reads."""
        return (2, self.num_layers // 2, self.num_layers - 3)

    @property
    def layer_pattern(self) -> list[int]:
        """0 for a dense layer, 1 for a MoE layer with sparse attention."""
        return [int(layer >= self.num_dense_layers) for layer in range(self.num_layers)]


@dataclass(frozen=True)
class HeadConfig:
    """The EAGLE-3.1 head: one Llama layer over [embedding, carried hidden]."""

    target: TargetConfig = field(default_factory=TargetConfig)
    intermediate_size: int = 768
    num_heads: int = 8
    num_kv_heads: int = 2
    head_dim: int = 32
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-6


def target_json(config: TargetConfig, ids: dict[str, int]) -> dict:
    """config.json of the target, nested and keyed as in the real checkpoint."""
    pattern = config.layer_pattern
    text = {
        "architectures": ["MiniMaxM3SparseForCausalLM"],
        "attention_output_gate": False,
        "dense_intermediate_size": config.dense_size,
        "head_dim": config.head_dim,
        "hidden_act": "swigluoai",
        "hidden_size": config.hidden_size,
        "intermediate_size": config.expert_size,
        "max_position_embeddings": config.max_positions,
        "moe_layer_freq": pattern,
        "n_shared_experts": 1,
        "num_attention_heads": config.num_heads,
        "num_experts_per_tok": config.experts_per_token,
        "num_hidden_layers": config.num_layers,
        "num_key_value_heads": config.num_kv_heads,
        "num_local_experts": config.num_experts,
        "partial_rotary_factor": config.rotary_dim / config.head_dim,
        "qk_norm_type": "per_head",
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_theta,
        "rotary_dim": config.rotary_dim,
        "routed_scaling_factor": config.routed_scaling_factor,
        "scoring_func": "sigmoid",
        "shared_intermediate_size": config.shared_size,
        "sparse_attention_config": {
            "use_sparse_attention": True,
            "sparse_attention_freq": pattern,
            "sparse_num_index_heads": config.num_kv_heads,
            "sparse_index_dim": config.index_dim,
            "sparse_block_size": config.block_size,
            "sparse_topk_blocks": config.topk_blocks,
            "sparse_init_block": 0,
            "sparse_local_block": 1,
            "sparse_score_type": "max",
            "sparse_disable_index_value": pattern,
        },
        "swiglu_alpha": config.swiglu_alpha,
        "swiglu_limit": config.swiglu_limit,
        "tie_word_embeddings": False,
        "use_gemma_norm": True,
        "use_qk_norm": True,
        "use_routing_bias": True,
        "vocab_size": config.vocab_size,
    }
    return {
        "architectures": ["MiniMaxM3SparseForConditionalGeneration"],
        "image_token_index": ids["]<]image[>["],
        "model_type": "minimax_m3_vl",
        "projector_hidden_size": config.hidden_size,
        "text_config": text,
        "torch_dtype": "bfloat16",
        "video_token_index": ids["]<]video[>["],
        "vision_config": {
            "hidden_size": 32,
            "image_size": 28,
            "intermediate_size": 64,
            "num_attention_heads": 4,
            "num_hidden_layers": 1,
            "patch_size": 14,
        },
    }


def head_json(config: HeadConfig) -> dict:
    """config.json of the drafter."""
    target = config.target
    return {
        "architectures": ["LlamaForCausalLMEagle3"],
        "attention_bias": False,
        "draft_vocab_size": target.vocab_size,
        "eagle_config": {
            "eagle_aux_hidden_state_layer_ids": list(target.taps),
            "use_aux_hidden_state": True,
        },
        "fc_norm": True,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "hidden_size": target.hidden_size,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": target.max_positions,
        "mlp_bias": False,
        "model_type": "llama",
        "norm_before_residual": False,
        "norm_output": True,
        "num_attention_heads": config.num_heads,
        "num_aux_hidden_states": len(target.taps),
        "num_hidden_layers": 1,
        "num_key_value_heads": config.num_kv_heads,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_theta,
        "target_hidden_size": target.hidden_size,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "vocab_size": target.vocab_size,
    }
