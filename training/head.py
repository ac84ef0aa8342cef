"""The EAGLE-3.1 drafter in PyTorch: one layer, a norm per tap, carried hidden after the norm."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from config import HeadConfig
from model import Params, linear, rope_table

KeyValue = tuple[Tensor, Tensor]


def init_head(config: HeadConfig, seed: int, device: str) -> Params:
    """Fresh float32 parameters; plain norms start at 1."""
    generator = torch.Generator().manual_seed(seed)
    hidden = config.target.hidden_size
    q_size = config.num_heads * config.head_dim
    kv_size = config.num_kv_heads * config.head_dim
    shapes = {
        "fc": (hidden, len(config.target.taps) * hidden),
        "q": (q_size, 2 * hidden),
        "k": (kv_size, 2 * hidden),
        "v": (kv_size, 2 * hidden),
        "o": (hidden, q_size),
        "gate": (config.intermediate_size, hidden),
        "up": (config.intermediate_size, hidden),
        "down": (hidden, config.intermediate_size),
    }
    params = {
        name: torch.randn(*shape, generator=generator) * shape[-1] ** -0.5
        for name, shape in shapes.items()
    }
    norms = ["input_norm", "hidden_norm", "post_norm", "norm"]
    norms += [f"fc_norm.{i}" for i in range(len(config.target.taps))]
    params |= {name: torch.ones(hidden) for name in norms}
    return {name: value.to(device) for name, value in params.items()}


def plain_norm(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    """Root-mean-square norm in float32 with gain w."""
    xf = x.float()
    scale = torch.rsqrt(xf.square().mean(-1, keepdim=True) + eps)
    return (xf * scale * gain.float()).to(x.dtype)


def combine_taps(taps: list[Tensor], p: Params, config: HeadConfig) -> Tensor:
    """fc over the normed taps: the hidden input of an extend row."""
    normed = [plain_norm(tap, p[f"fc_norm.{i}"], config.rms_norm_eps) for i, tap in enumerate(taps)]
    return linear(torch.cat(normed, -1), p["fc"])


def rotate_full(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Half-split rotation of all channels of x [B, T, heads, D]."""
    u, w = x.float().chunk(2, -1)
    cos, sin = cos[..., None, :], sin[..., None, :]
    return torch.cat((u * cos - w * sin, w * cos + u * sin), -1).to(x.dtype)


def head_qkv(
    embedded: Tensor, hidden: Tensor, positions: Tensor, p: Params, config: HeadConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Rotated q, k and plain v as [B, T, heads, D]."""
    eps = config.rms_norm_eps
    parts = (
        plain_norm(embedded, p["input_norm"], eps),
        plain_norm(hidden, p["hidden_norm"], eps),
    )
    z = torch.cat(parts, -1)
    b, t, _ = z.shape
    cos, sin = rope_table(positions, config.head_dim, config.rope_theta)
    q = linear(z, p["q"]).view(b, t, config.num_heads, config.head_dim)
    k = linear(z, p["k"]).view(b, t, config.num_kv_heads, config.head_dim)
    v = linear(z, p["v"]).view(b, t, config.num_kv_heads, config.head_dim)
    return rotate_full(q, cos, sin), rotate_full(k, cos, sin), v


def head_output(hidden: Tensor, attended: Tensor, p: Params, config: HeadConfig) -> Tensor:
    """The carried hidden of the next step, which the lm_head reads too."""
    residual = hidden + linear(attended, p["o"])
    y = plain_norm(residual, p["post_norm"], config.rms_norm_eps)
    inner = F.silu(linear(y, p["gate"])) * linear(y, p["up"])
    return plain_norm(residual + linear(inner, p["down"]), p["norm"], config.rms_norm_eps)


def chain_attention(q: Tensor, tap_kv: KeyValue, chain: list[KeyValue], mask: Tensor) -> Tensor:
    """Attention of step s over tap rows (mask) and each row's own s chain rows (all visible).

    Row t of step s holds position t + s; the tap rows it sees end at t, its own chain rows follow.
    """
    b, t, heads, dim = q.shape
    repeat = heads // tap_kv[0].shape[2]
    q = q.transpose(1, 2)
    k = tap_kv[0].transpose(1, 2).repeat_interleave(repeat, 1)
    v = tap_kv[1].transpose(1, 2).repeat_interleave(repeat, 1)
    scores = (q @ k.transpose(-1, -2)).float() * dim**-0.5
    scores = scores.masked_fill(~mask, float("-inf"))
    own = []
    for chain_k, _ in chain:
        expanded = chain_k.transpose(1, 2).repeat_interleave(repeat, 1)
        own.append((q.float() * expanded.float()).sum(-1, keepdim=True) * dim**-0.5)
    weights = torch.cat([scores, *own], -1).softmax(-1).to(q.dtype)
    out = weights[..., : scores.shape[-1]] @ v
    for step, (_, chain_v) in enumerate(chain):
        expanded = chain_v.transpose(1, 2).repeat_interleave(repeat, 1)
        out = out + weights[..., scores.shape[-1] + step, None] * expanded
    return out.transpose(1, 2).flatten(2)
