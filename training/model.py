"""The MiniMax-M3 text model in PyTorch, for training.

Parameters are float32 masters; a forward pass casts them to the activation type. Norms, rotary
embedding and the router compute in float32. All experts run side by side as one dense product,
scaled by the routing weight (0 where not chosen): at this size that beats any dispatch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from config import TargetConfig

Params = dict[str, Tensor]
NEGATIVE = -1e30


def init_params(config: TargetConfig, seed: int, device: str) -> Params:
    """Fresh float32 parameters, named `embed`, `lm_head`, `norm` and `L.name` per layer."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int, fan_in: int | None = None) -> Tensor:
        scale = (fan_in or shape[-1]) ** -0.5
        return torch.randn(*shape, generator=generator) * scale

    hidden = config.hidden_size
    q_size = config.num_heads * config.head_dim
    kv_size = config.num_kv_heads * config.head_dim
    out_scale = (2 * config.num_layers) ** -0.5
    params: Params = {
        "embed": torch.randn(config.vocab_size, hidden, generator=generator) * 0.5,
        "lm_head": normal(config.vocab_size, hidden) * 0.5,
        "norm": torch.zeros(hidden),
    }
    for layer in range(config.num_layers):
        p: Params = {
            "norm_in": torch.zeros(hidden),
            "norm_post": torch.zeros(hidden),
            "q": normal(q_size, hidden),
            "k": normal(kv_size, hidden),
            "v": normal(kv_size, hidden),
            "o": normal(hidden, q_size) * out_scale,
            "q_norm": torch.zeros(config.head_dim),
            "k_norm": torch.zeros(config.head_dim),
        }
        if config.layer_pattern[layer]:
            experts, width = config.num_experts, config.expert_size
            p |= {
                "iq": normal(config.num_kv_heads * config.index_dim, hidden),
                "ik": normal(config.index_dim, hidden),
                "iq_norm": torch.zeros(config.index_dim),
                "ik_norm": torch.zeros(config.index_dim),
                "router": normal(experts, hidden),
                "router_bias": torch.zeros(experts),
                "w1": normal(experts, width, hidden),
                "w3": normal(experts, width, hidden),
                "w2": normal(experts, hidden, width) * out_scale,
                "shared_gate": normal(config.shared_size, hidden),
                "shared_up": normal(config.shared_size, hidden),
                "shared_down": normal(hidden, config.shared_size) * out_scale,
            }
        else:
            p |= {
                "gate": normal(config.dense_size, hidden),
                "up": normal(config.dense_size, hidden),
                "down": normal(hidden, config.dense_size) * out_scale,
            }
        params |= {f"{layer}.{name}": value for name, value in p.items()}
    return {name: value.to(device) for name, value in params.items()}


def layer_params(params: Params, layer: int) -> Params:
    """The parameters of one layer without their prefix."""
    prefix = f"{layer}."
    return {k[len(prefix) :]: v for k, v in params.items() if k.startswith(prefix)}


def gemma_norm(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    """Root-mean-square norm in float32 with gain 1 + w, one rounding at the end."""
    xf = x.float()
    scale = torch.rsqrt(xf.square().mean(-1, keepdim=True) + eps)
    return (xf * scale * (1.0 + gain.float())).to(x.dtype)


def rope_table(positions: Tensor, rotary_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """cos and sin [..., rotary_dim / 2] in float32."""
    index = torch.arange(rotary_dim // 2, device=positions.device, dtype=torch.float32)
    inv_freq = theta ** (-2.0 * index / rotary_dim)
    angle = positions.float()[..., None] * inv_freq
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Half-split rotation of the first channels of x [B, T, heads, D]; the rest passes through."""
    half = cos.shape[-1]
    cos, sin = cos[..., None, :], sin[..., None, :]
    u, w = x[..., :half].float(), x[..., half : 2 * half].float()
    turned = torch.cat((u * cos - w * sin, w * cos + u * sin), -1).to(x.dtype)
    return torch.cat((turned, x[..., 2 * half :]), -1)


def swiglu_oai(gate: Tensor, up: Tensor, config: TargetConfig) -> Tensor:
    """(clamp(up) + 1) * g * sigmoid(alpha g) with g clamped from above only."""
    limit = config.swiglu_limit
    g = gate.float().clamp(max=limit)
    u = up.float().clamp(-limit, limit)
    return ((u + 1.0) * g * torch.sigmoid(config.swiglu_alpha * g)).to(gate.dtype)


def linear(x: Tensor, weight: Tensor) -> Tensor:
    return F.linear(x, weight.to(x.dtype))


def project_qkv(
    h: Tensor, p: Params, cos: Tensor, sin: Tensor, config: TargetConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Normed and rotated q, k and plain v as [B, T, heads, D]."""
    b, t, _ = h.shape
    weight = torch.cat((p["q"], p["k"], p["v"]))
    heads = config.num_heads + 2 * config.num_kv_heads
    qkv = linear(h, weight).view(b, t, heads, config.head_dim)
    q, k, v = qkv.split((config.num_heads, config.num_kv_heads, config.num_kv_heads), 2)
    q = rotate(gemma_norm(q, p["q_norm"], config.rms_norm_eps), cos, sin)
    k = rotate(gemma_norm(k, p["k_norm"], config.rms_norm_eps), cos, sin)
    return q, k, v


def project_index(
    h: Tensor, p: Params, cos: Tensor, sin: Tensor, config: TargetConfig
) -> tuple[Tensor, Tensor]:
    """Index queries [B, T, G, Di] and the one shared index key [B, T, Di]."""
    b, t, _ = h.shape
    iq = linear(h, p["iq"]).view(b, t, config.num_kv_heads, config.index_dim)
    ik = linear(h, p["ik"]).view(b, t, 1, config.index_dim)
    iq = rotate(gemma_norm(iq, p["iq_norm"], config.rms_norm_eps), cos, sin)
    ik = rotate(gemma_norm(ik, p["ik_norm"], config.rms_norm_eps), cos, sin)
    return iq, ik[:, :, 0]


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Masked attention, [B, T, H, D] in and [B, T, H * D] out; mask broadcasts to [B, H, T, S]."""
    repeat = q.shape[2] // k.shape[2]
    q = q.transpose(1, 2)
    k = k.transpose(1, 2).repeat_interleave(repeat, 1)
    v = v.transpose(1, 2).repeat_interleave(repeat, 1)
    mask = mask.expand(q.shape[0], q.shape[1], q.shape[2], k.shape[2])
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out.transpose(1, 2).flatten(2)


def route(h: Tensor, p: Params, config: TargetConfig) -> tuple[Tensor, Tensor]:
    """Routing weights [B, T, E] (0 where unchosen, factor included) and the mean load [E]."""
    scores = torch.sigmoid(F.linear(h.float(), p["router"].float()))
    chosen = torch.topk(scores.detach() + p["router_bias"], config.experts_per_token, -1).indices
    mask = torch.zeros_like(scores).scatter(-1, chosen, 1.0)
    kept = scores * mask
    weights = config.routed_scaling_factor * kept / kept.sum(-1, keepdim=True)
    return weights, mask.flatten(0, -2).mean(0)


def feed_forward(h: Tensor, p: Params, config: TargetConfig) -> tuple[Tensor, Tensor]:
    """Dense MLP or MoE, told apart by the parameters; also the load per expert (empty if dense)."""
    if "gate" in p:
        hidden = swiglu_oai(linear(h, p["gate"]), linear(h, p["up"]), config)
        return linear(hidden, p["down"]), h.new_zeros(0)
    weights, load = route(h, p, config)
    experts, width, _ = p["w1"].shape
    gate = linear(h, p["w1"].flatten(0, 1))
    up = linear(h, p["w3"].flatten(0, 1))
    hidden = swiglu_oai(gate, up, config).unflatten(-1, (experts, width))
    hidden = (hidden * weights[..., None].to(h.dtype)).flatten(-2)
    down = p["w2"].permute(1, 0, 2).flatten(1)
    shared = swiglu_oai(linear(h, p["shared_gate"]), linear(h, p["shared_up"]), config)
    return linear(hidden, down) + linear(shared, p["shared_down"]), load


def dense_layer(
    x: Tensor, p: Params, rope: tuple[Tensor, Tensor], mask: Tensor, config: TargetConfig
) -> tuple[Tensor, Tensor]:
    """One layer with attention under the given mask (sparse layers equal it up to 4 blocks)."""
    h = gemma_norm(x, p["norm_in"], config.rms_norm_eps)
    q, k, v = project_qkv(h, p, *rope, config)
    x = x + linear(attend(q, k, v, mask), p["o"])
    h = gemma_norm(x, p["norm_post"], config.rms_norm_eps)
    out, load = feed_forward(h, p, config)
    return x + out, load


LayerFunction = Callable[..., tuple[Tensor, Tensor]]


def forward_hidden(
    params: Params,
    tokens: Tensor,
    positions: Tensor,
    mask: Tensor,
    config: TargetConfig,
    layer_function: LayerFunction = dense_layer,
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Final normed hidden states, the taps, and the expert loads of the MoE layers."""
    dtype = torch.bfloat16 if tokens.is_cuda else torch.float32
    x = F.embedding(tokens, params["embed"]).to(dtype)
    rope = rope_table(positions, config.rotary_dim, config.rope_theta)
    taps, loads = [], []
    for layer in range(config.num_layers):
        if layer in config.taps:
            taps.append(x)
        x, load = layer_function(x, layer_params(params, layer), rope, mask, config)
        if load.numel():
            loads.append(load)
    return gemma_norm(x, params["norm"], config.rms_norm_eps), taps, loads


def document_mask(documents: Tensor) -> Tensor:
    """Causal mask within documents, [B, 1, T, T] bool."""
    t = documents.shape[1]
    causal = torch.ones(t, t, dtype=torch.bool, device=documents.device).tril()
    same = documents[:, :, None] == documents[:, None, :]
    return (same & causal)[:, None]


def causal_mask(length: int, device: torch.device) -> Tensor:
    """[1, 1, T, T] bool."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()[None, None]


def weighted_loss(hidden: Tensor, lm_head: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Mean cross-entropy under per-token weights."""
    logits = linear(hidden, lm_head).float()
    losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    flat = weights.flatten()
    return (losses * flat).sum() / flat.sum().clamp(min=1.0)


def num_parameters(params: Params) -> int:
    return sum(math.prod(value.shape) for value in params.values())
