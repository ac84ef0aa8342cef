"""Long rows: adapt the target with dense attention, distil the indexer, then train jointly sparse.

Each row is one document of up to 2048 tokens from position 0. Short batches stay in the mix, so
that what the main stage learned is kept.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from config import TargetConfig
from model import Params, gemma_norm, layer_params, linear, rope_table, weighted_loss
from optim import Optimizer
from rows import ShardReader
from sparse import sparse_layer
from train_target import (
    Batch,
    TargetSettings,
    TargetTrainer,
    set_trainable,
    to_batch,
    update_bias,
)


@dataclass(frozen=True)
class LongSettings:
    """Rates and sizes of the long stages."""

    batch_rows: int = 24
    muon_lr: float = 0.004
    adam_lr: float = 0.0006
    index_muon_lr: float = 0.02
    index_adam_lr: float = 0.004
    index_weight: float = 0.1
    short_every: int = 3  # one short batch after so many long ones
    log_every: int = 50


def long_forward(
    params: Params, batch: Batch, config: TargetConfig, mode: str, remat: bool
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Final hidden states, the mean index loss and the expert loads."""
    dtype = torch.bfloat16 if batch.tokens.is_cuda else torch.float32
    x = F.embedding(batch.tokens, params["embed"]).to(dtype)
    positions = torch.arange(batch.tokens.shape[1], device=x.device)[None].expand_as(batch.tokens)
    rope = rope_table(positions, config.rotary_dim, config.rope_theta)
    losses, loads = [], []
    for layer in range(config.num_layers):
        p = layer_params(params, layer)
        if remat:
            x, load, loss = checkpoint(sparse_layer, x, p, rope, config, mode, use_reentrant=False)
        else:
            x, load, loss = sparse_layer(x, p, rope, config, mode)
        losses.append(loss)
        if load.numel():
            loads.append(load)
    hidden = gemma_norm(x, params["norm"], config.rms_norm_eps)
    return hidden, torch.stack(losses).sum() / max(1, len(loads)), loads


class LongTrainer:
    """The three stages "dense", "distil" and "joint" over long rows."""

    def __init__(
        self, params: Params, config: TargetConfig, settings: LongSettings, main: TargetTrainer
    ) -> None:
        self.params, self.config, self.settings, self.main = params, config, settings, main

    def optimizer(self, mode: str) -> list[Optimizer]:
        """Index parameters have their own rates."""
        s = self.settings
        set_trainable(self.params, index_only=mode == "distil", index_too=mode == "joint")
        index = {k: v for k, v in self.params.items() if ".i" in k}
        rest = {k: v for k, v in self.params.items() if ".i" not in k}
        out = []
        if mode != "dense":
            scale = 0.2 if mode == "joint" else 1.0
            out.append(Optimizer(index, s.index_muon_lr * scale, s.index_adam_lr * scale))
        if mode != "distil":
            out.append(Optimizer(rest, s.muon_lr, s.adam_lr))
        return out

    def loss(self, batch: Batch, mode: str) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The loss to minimise, the index loss alone, the loads."""
        remat = batch.tokens.is_cuda and mode != "distil"
        hidden, index, loads = long_forward(self.params, batch, self.config, mode, remat)
        if mode == "distil":
            return index, index.detach(), []
        loss = weighted_loss(hidden, self.params["lm_head"], batch.labels, batch.weights)
        if mode == "joint":
            loss = loss + self.settings.index_weight * index
        return loss, index.detach(), loads

    def run(
        self, mode: str, long: ShardReader, short: ShardReader, seconds: float, device: str
    ) -> list[dict[str, float]]:
        """One stage of so many seconds; the rates fall linearly to a tenth."""
        optimizers = self.optimizer(mode)
        log: list[dict[str, float]] = []
        start = time.monotonic()
        step = 0
        for is_long, batch in self.batches(mode, long, short, device):
            done = (time.monotonic() - start) / seconds
            if done >= 1.0:
                return log
            if is_long:
                loss, index, loads = self.loss(batch, mode)
            else:
                loss, loads = self.main.forward(batch)
                index = torch.zeros(())
            loss.backward()
            for optimizer in optimizers:
                fill_missing(optimizer)
                optimizer.step(1.0 - 0.9 * done)
            if loads:
                with torch.no_grad():
                    update_bias(self.params, loads, TargetSettings.bias_step * 0.2)
            step += 1
            value = loss.item()
            if is_long and step % self.settings.log_every == 1:
                entry = {
                    "stage": mode,
                    "step": step,
                    "seconds": round(time.monotonic() - start, 1),
                    "loss": round(value, 4),
                    "index_loss": round(index.item(), 4),
                }
                log.append(entry)
                print(entry, flush=True)
        return log

    def batches(self, mode: str, long: ShardReader, short: ShardReader, device: str):
        """Endless (is_long, batch); short batches only where the target itself trains."""
        size, short_size = self.settings.batch_rows, self.main.settings.batch_rows
        short_arrays: dict[str, np.ndarray] = {}
        short_at = count = 0
        while True:
            arrays = long.read()
            for at in range(0, len(arrays["tokens"]) - size + 1, size):
                yield True, to_batch(arrays, slice(at, at + size), device)
                count += 1
                if mode == "distil" or count % self.settings.short_every:
                    continue
                if not short_arrays or short_at + short_size > len(short_arrays["tokens"]):
                    short_arrays, short_at = short.read(), 0
                rows = slice(short_at, short_at + short_size)
                short_at += short_size
                yield False, to_batch(short_arrays, rows, device)


def fill_missing(optimizer: Optimizer) -> None:
    """Zero gradients where a batch does not reach a parameter (index weights in short rows)."""
    for param in optimizer.params:
        if param.grad is None:
            param.grad = torch.zeros_like(param)


@torch.no_grad()
def long_losses(
    params: Params, batch: Batch, config: TargetConfig, rows: int = 8
) -> dict[str, dict[str, float]]:
    """Held-out loss per span of positions, dense and with the real selection.

    "recent" selects the own block and the three before it, as a yardstick for the indexer.
    """
    spans = {"0-511": (0, 512), "512-1023": (512, 1024), "1024-2047": (1024, 2048)}
    out: dict[str, dict[str, float]] = {}
    for mode in ("dense", "sparse", "recent"):
        sums = {name: [0.0, 0.0] for name in spans}
        for at in range(0, len(batch.tokens), rows):
            part = Batch(*(getattr(batch, n)[at : at + rows] for n in Batch.__annotations__))
            hidden, _, _ = long_forward(params, part, config, mode, remat=False)
            logits = linear(hidden, params["lm_head"]).float()
            losses = F.cross_entropy(logits.mT, part.labels, reduction="none")
            answers = (part.weights > 0.5).float()
            for name, (low, high) in spans.items():
                sums[name][0] += (losses * answers)[:, low:high].sum().item()
                sums[name][1] += answers[:, low:high].sum().item()
        out[mode] = {name: total / max(1.0, count) for name, (total, count) in sums.items()}
    out["answer_tokens"] = {name: count for name, (_, count) in sums.items()}
    return out
