"""Trains the target on short rows: documents packed into 512 tokens, attention within documents."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from config import TargetConfig
from model import Params, dense_layer, document_mask, forward_hidden, weighted_loss
from optim import Optimizer, schedule
from rows import ShardReader

INDEX_NAMES = (".iq", ".ik", ".iq_norm", ".ik_norm")


@dataclass(frozen=True)
class TargetSettings:
    """Rates and sizes of the main stage."""

    batch_rows: int = 192
    muon_lr: float = 0.02
    adam_lr: float = 0.004
    bias_step: float = 0.003
    log_every: int = 200


def set_trainable(params: Params, index_only: bool, index_too: bool) -> None:
    """Chooses the parameters with gradients; the routing bias never has one."""
    for name, value in params.items():
        is_index = name.endswith(INDEX_NAMES)
        wanted = is_index if index_only else (index_too or not is_index)
        value.requires_grad_(wanted and not name.endswith("router_bias"))


def update_bias(params: Params, loads: list[Tensor], step: float) -> None:
    """Nudges the routing bias towards an even load."""
    layers = sorted({int(n.split(".")[0]) for n in params if n.endswith("router_bias")})
    for layer, load in zip(layers, loads):
        load = load.detach()
        params[f"{layer}.router_bias"].add_(step * torch.sign(load.mean() - load))


def positions_of(documents: Tensor) -> Tensor:
    """Positions restarting with each document."""
    index = torch.arange(documents.shape[1], device=documents.device).expand_as(documents)
    starts = torch.ones_like(documents, dtype=torch.bool)
    starts[:, 1:] = documents[:, 1:] != documents[:, :-1]
    return index - torch.where(starts, index, 0).cummax(1).values


@dataclass
class Batch:
    """One batch on the device; `weights` belong to the labels."""

    tokens: Tensor
    labels: Tensor
    weights: Tensor
    documents: Tensor


def to_batch(arrays: dict[str, np.ndarray], rows: slice, device: str) -> Batch:
    def load(name: str, dtype: torch.dtype) -> Tensor:
        host = torch.from_numpy(arrays[name][rows].astype(np.int32))
        return host.to(device, non_blocking=True).to(dtype)

    tokens = load("tokens", torch.int64)
    labels = torch.roll(tokens, -1, 1)
    weights = load("weights", torch.float32) / 100
    return Batch(tokens, labels, weights, load("documents", torch.int32))


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A bool mask as 0 and -inf."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(
        ~mask, float("-inf")
    )


class TargetTrainer:
    """The main stage; `run` trains until its share of wall-clock time is used."""

    def __init__(
        self, params: Params, config: TargetConfig, settings: TargetSettings, compiled: bool
    ) -> None:
        self.params, self.config, self.settings = params, config, settings
        set_trainable(params, index_only=False, index_too=False)
        self.optimizer = Optimizer(params, settings.muon_lr, settings.adam_lr)
        self.layer = torch.compile(dense_layer, dynamic=False) if compiled else dense_layer
        self.loss = torch.compile(weighted_loss, dynamic=False) if compiled else weighted_loss
        self.num_tokens = 0
        self.num_steps = 0

    def forward(self, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        dtype = torch.bfloat16 if batch.tokens.is_cuda else torch.float32
        mask = additive(document_mask(batch.documents), dtype)
        hidden, _, loads = forward_hidden(
            self.params, batch.tokens, positions_of(batch.documents), mask, self.config, self.layer
        )
        return self.loss(hidden, self.params["lm_head"], batch.labels, batch.weights), loads

    def step(self, batch: Batch, factor: float) -> Tensor:
        loss, loads = self.forward(batch)
        loss.backward()
        self.optimizer.step(factor)
        with torch.no_grad():
            update_bias(self.params, loads, self.settings.bias_step * min(1.0, factor))
        self.num_tokens += batch.tokens.numel()
        self.num_steps += 1
        return loss.detach()

    def warm_up(self, device: str, length: int = 512) -> None:
        """Compiles both passes on a made-up batch; changes nothing."""
        shape = (self.settings.batch_rows, length)
        tokens = torch.randint(0, 1000, shape, device=device)
        documents = torch.ones(shape, dtype=torch.int32, device=device)
        loss, _ = self.forward(Batch(tokens, tokens, torch.ones(shape, device=device), documents))
        loss.backward()
        for param in self.params.values():
            param.grad = None

    def run(self, reader: ShardReader, seconds: float, device: str) -> list[dict[str, float]]:
        """Trains for so many seconds; the first step (compilation) does not count."""
        log: list[dict[str, float]] = []
        start = None
        size = self.settings.batch_rows
        while True:
            arrays = reader.read()
            for at in range(0, len(arrays["tokens"]) - size + 1, size):
                batch = to_batch(arrays, slice(at, at + size), device)
                done = 0.0 if start is None else (time.monotonic() - start) / seconds
                if done >= 1.0:
                    return log
                loss = self.step(batch, schedule(done))
                if start is None:
                    loss.item()
                    start = time.monotonic()
                elif self.num_steps % 10 == 0:
                    value = loss.item()
                    if self.num_steps % self.settings.log_every == 0:
                        elapsed = time.monotonic() - start
                        entry = {
                            "step": self.num_steps,
                            "seconds": round(elapsed, 1),
                            "loss": round(value, 4),
                            "tokens_per_s": round(self.num_tokens / elapsed),
                            "reused_shards": reader.num_reused,
                        }
                        log.append(entry)
                        print(entry, flush=True)
