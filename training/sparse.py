"""Block-sparse attention with its index branch, for the long-row stages of training.

Rows start at position 0, so block b of a row is positions 128 b .. 128 b + 127 of its sequence.
"""

from __future__ import annotations

import torch
from torch import Tensor

from config import TargetConfig
from model import (
    NEGATIVE,
    Params,
    attend,
    causal_mask,
    feed_forward,
    gemma_norm,
    linear,
    project_index,
    project_qkv,
)


def block_scores(iq: Tensor, ik: Tensor, config: TargetConfig) -> Tensor:
    """Largest visible index score per block, [B, G, T, blocks] float32."""
    b, t, groups, _ = iq.shape
    blocks = -(-t // config.block_size)
    scores = torch.einsum("btgd,bsd->bgts", iq.float(), ik.float())
    scores = scores.masked_fill(~causal_mask(t, iq.device), NEGATIVE)
    pad = blocks * config.block_size - t
    scores = torch.nn.functional.pad(scores, (0, pad), value=NEGATIVE)
    return scores.view(b, groups, t, blocks, config.block_size).amax(-1)


def selected_blocks(scores: Tensor, config: TargetConfig) -> Tensor:
    """The chosen blocks as bool [B, G, T, blocks]: own block forced, then the largest scores."""
    t, blocks = scores.shape[-2:]
    own = torch.arange(t, device=scores.device) // config.block_size
    index = torch.arange(blocks, device=scores.device)
    is_own = index[None, :] == own[:, None]
    future = index[None, :] > own[:, None]
    ranked = scores.masked_fill(future, -torch.inf).masked_fill(is_own, torch.inf)
    order = torch.sort(ranked, dim=-1, descending=True, stable=True).indices
    top = order[..., : config.topk_blocks]
    chosen = torch.zeros_like(scores, dtype=torch.bool).scatter(-1, top, True)
    return chosen & ~future


def selection_mask(chosen: Tensor, config: TargetConfig, length: int) -> Tensor:
    """Token mask [B, G, T, T] of the chosen blocks and causality."""
    tokens = chosen.repeat_interleave(config.block_size, -1)[..., :length]
    return tokens & causal_mask(length, chosen.device)


@torch.no_grad()
def block_mass(q: Tensor, k: Tensor, config: TargetConfig) -> Tensor:
    """Dense attention mass per block summed over a group's heads, normalised; [B, G, T, blocks]."""
    b, t, heads, dim = q.shape
    groups = k.shape[2]
    blocks = -(-t // config.block_size)
    pad = blocks * config.block_size - t
    rows = []
    for row in range(b):
        grouped = q[row].unflatten(1, (groups, heads // groups))
        scores = torch.einsum("tghd,sgd->ghts", grouped.float(), k[row].float()) * dim**-0.5
        scores = scores.masked_fill(~causal_mask(t, q.device)[0], NEGATIVE)
        mass = torch.nn.functional.pad(scores.softmax(-1).mean(1), (0, pad))
        rows.append(mass.unflatten(-1, (blocks, config.block_size)).sum(-1))
    return torch.stack(rows)


def index_loss(scores: Tensor, mass: Tensor, config: TargetConfig) -> Tensor:
    """KL from the attention mass to the softmax of block scores, over rows that must choose."""
    t = scores.shape[-2]
    first = config.block_size * config.topk_blocks
    if t <= first:
        return scores.sum() * 0.0
    target = mass[..., first:, :]
    log_p = scores[..., first:, :].log_softmax(-1)
    log_t = target.clamp(min=1e-9).log()
    return (target * (log_t - log_p.clamp(min=-1e4))).sum(-1).mean()


def sparse_layer(
    x: Tensor,
    p: Params,
    rope: tuple[Tensor, Tensor],
    config: TargetConfig,
    mode: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """One layer over whole rows.

    mode: "dense", "distil" (dense with index loss), "joint" (sparse with index loss), "sparse", or
    "recent" (the own block and those before it, whatever the scores).

    Returns the output, the expert load and the index loss (0 where none is asked for).
    """
    length = x.shape[1]
    h = gemma_norm(x, p["norm_in"], config.rms_norm_eps)
    q, k, v = project_qkv(h, p, *rope, config)
    mask = causal_mask(length, x.device)
    loss = x.new_zeros((), dtype=torch.float32)
    if "iq" in p and mode != "dense":
        iq, ik = project_index(h.detach(), p, *rope, config)
        scores = block_scores(iq, ik, config)
        if mode == "recent":
            scores = torch.arange(scores.shape[-1], device=x.device).expand_as(scores).float()
        if mode in ("distil", "joint"):
            loss = index_loss(scores, block_mass(q.detach(), k.detach(), config), config)
        if mode != "distil":
            chosen = selection_mask(selected_blocks(scores.detach(), config), config, length)
            mask = chosen.repeat_interleave(config.num_heads // config.num_kv_heads, 1)
    x = x + linear(attend(q, k, v, mask), p["o"])
    h = gemma_norm(x, p["norm_post"], config.rms_norm_eps)
    out, load = feed_forward(h, p, config)
    return x + out, load, loss
