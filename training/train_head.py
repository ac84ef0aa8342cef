"""Trains the drafter on the target's own greedy output with train-time test over several steps.

Step s of the test reads the true token shifted by s and the drafter's own carried hidden; its loss
is the KL to the target's distribution on generated positions. The acceptance walk follows the real
draft chain: it equals the teacher-forced chain as long as the prefix is accepted.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from config import HeadConfig, TargetConfig
from export import round_to_bf16
from head import chain_attention, combine_taps, head_output, head_qkv
from model import Params, dense_layer, document_mask, forward_hidden, linear
from optim import Optimizer, schedule
from rows import Encoded, pack
from train_target import Batch, additive, positions_of, to_batch


@dataclass(frozen=True)
class HeadSettings:
    """Rates and sizes of the drafter's training."""

    row_length: int = 512
    batch_rows: int = 48
    num_steps: int = 5
    decay: float = 0.9
    muon_lr: float = 0.02
    adam_lr: float = 0.003
    log_every: int = 100


@dataclass
class TargetView:
    """What the drafter sees of the frozen target for one batch."""

    embed: Tensor  # [V, H]
    lm_head: Tensor  # [V, H]
    hidden: Tensor  # [B, T, H] final normed states
    taps: list[Tensor]


def frozen(params: Params, device_dtype: torch.dtype) -> Params:
    """The target as exported, in the activation type (router float32)."""
    rounded = round_to_bf16(params)
    return {
        k: v if k.endswith(("router", "router_bias")) else v.to(device_dtype)
        for k, v in rounded.items()
    }


@torch.no_grad()
def view_target(target: Params, batch: Batch, config: TargetConfig, layer_function) -> TargetView:
    dtype = torch.bfloat16 if batch.tokens.is_cuda else torch.float32
    mask = additive(document_mask(batch.documents), dtype)
    positions = positions_of(batch.documents)
    hidden, taps, _ = forward_hidden(target, batch.tokens, positions, mask, config, layer_function)
    return TargetView(target["embed"], target["lm_head"], hidden, taps)


def shift(x: Tensor, by: int) -> Tensor:
    return torch.roll(x, -by, 1)


def chain(head: Params, view: TargetView, batch: Batch, config: HeadConfig, num_steps: int):
    """Yields (step, output [B, T, H], valid [B, T]) of each step of the draft chain.

    Row t of step s reads token t + 1 + s at position t + s; its output predicts token t + 2 + s.
    """
    mask = document_mask(batch.documents)
    positions = positions_of(batch.documents)
    hidden = combine_taps(view.taps, head, config)
    tap_kv, own = None, []
    for step in range(num_steps):
        embedded = F.embedding(shift(batch.tokens, 1 + step), view.embed).to(hidden.dtype)
        q, k, v = head_qkv(embedded, hidden, positions + step, head, config)
        if step == 0:
            tap_kv = (k, v)
        else:
            own.append((k, v))
        hidden = head_output(hidden, chain_attention(q, tap_kv, own, mask), head, config)
        same = shift(batch.documents, 2 + step) == batch.documents
        same[:, -(2 + step) :] = False
        yield step, hidden, same & (batch.documents > 0)


def head_loss(
    head: Params, view: TargetView, batch: Batch, config: HeadConfig, settings: HeadSettings
) -> Tensor:
    """The weighted KL over the steps, on positions that predict generated tokens."""
    generated = batch.weights > 0.5  # row t: the label t + 1 is generated
    total = view.hidden.new_zeros((), dtype=torch.float32)
    norm = sum(settings.decay**s for s in range(settings.num_steps))
    for step, output, valid in chain(head, view, batch, config, settings.num_steps):
        chosen = valid & shift(generated, 1 + step)
        goal = linear(shift(view.hidden, 1 + step)[chosen], view.lm_head).float()
        guess = linear(output[chosen], view.lm_head).float()
        loss = F.kl_div(
            guess.log_softmax(-1), goal.log_softmax(-1), log_target=True, reduction="sum"
        )
        total = total + settings.decay**step / norm * loss / chosen.sum().clamp(min=1)
    return total


class HeadTrainer:
    """Trains by wall clock on packed rows of generated sequences."""

    def __init__(
        self,
        head: Params,
        target: Params,
        config: HeadConfig,
        settings: HeadSettings,
        layer_function,
    ) -> None:
        self.head, self.config, self.settings = head, config, settings
        dtype = torch.bfloat16 if head["fc"].is_cuda else torch.float32
        self.target = frozen(target, dtype)
        self.layer_function = layer_function
        for value in head.values():
            value.requires_grad_(True)
        self.optimizer = Optimizer(head, settings.muon_lr, settings.adam_lr)

    def run(self, sequences: list[Encoded], seconds: float, device: str) -> list[dict[str, float]]:
        """sequences: (ids, weights in hundredths: 100 where generated)."""
        arrays = pack(sequences, self.settings.row_length)
        rng = np.random.default_rng(7)
        log: list[dict[str, float]] = []
        start = time.monotonic()
        step = 0
        while True:
            order = rng.permutation(len(arrays["tokens"]))
            shuffled = {k: v[order] for k, v in arrays.items()}
            size = min(self.settings.batch_rows, len(order))
            for at in range(0, len(order) - size + 1, size):
                done = (time.monotonic() - start) / seconds
                if done >= 1.0:
                    return log
                batch = to_batch(shuffled, slice(at, at + size), device)
                view = view_target(self.target, batch, self.config.target, self.layer_function)
                loss = head_loss(self.head, view, batch, self.config, self.settings)
                loss.backward()
                self.optimizer.step(schedule(done))
                step += 1
                value = loss.item()
                if step % self.settings.log_every == 0:
                    elapsed = time.monotonic() - start
                    entry = {
                        "step": step,
                        "seconds": round(elapsed, 1),
                        "kl": round(value, 4),
                        "tokens_per_s": round(step * batch.tokens.numel() / elapsed),
                    }
                    log.append(entry)
                    print(entry, flush=True)


@torch.no_grad()
def draft_matches(
    head: Params,
    target: Params,
    sequences: list[Encoded],
    config: HeadConfig,
    num_drafts: int,
    num_tokens: int,
    device: str,
) -> list[np.ndarray]:
    """For each sequence [num_drafts, T] bool: whether step s at row t predicts token t + 2 + s."""
    dtype = torch.bfloat16 if head["fc"].is_cuda else torch.float32
    rounded = {k: v.detach().bfloat16().to(dtype) for k, v in head.items()}
    goal = frozen(target, dtype)
    out = []
    for at in range(0, len(sequences), 32):
        part = sequences[at : at + 32]
        length = max(len(ids) for ids, _ in part)
        arrays = {
            "tokens": np.zeros((len(part), length), np.uint16),
            "documents": np.zeros((len(part), length), np.uint8),
            "weights": np.zeros((len(part), length), np.uint8),
        }
        for row, (ids, _) in enumerate(part):
            arrays["tokens"][row, : len(ids)] = ids
            arrays["documents"][row, : len(ids)] = 1
        batch = to_batch(arrays, slice(0, len(part)), device)
        view = view_target(goal, batch, config.target, dense_layer)
        matches = []
        for step, output, valid in chain(rounded, view, batch, config, num_drafts):
            guess = linear(output, view.lm_head)[..., :num_tokens].argmax(-1)
            matches.append((guess == shift(batch.tokens, 2 + step)) & valid)
        stacked = torch.stack(matches, 1).cpu().numpy()
        out += [stacked[row][:, : len(ids)] for row, (ids, _) in enumerate(part)]
    return out


def acceptance(
    matches: list[np.ndarray], prompt_lengths: list[int], lengths: list[int], num_drafts: int
) -> dict[str, float | list[float]]:
    """The walk of verify rounds over each sequence; drafts behind the end count as rejected."""
    histogram = [0] * (num_drafts + 1)
    for match, prompt, length in zip(matches, prompt_lengths, lengths):
        n = prompt + 1
        while n < length:
            good = 0
            while good < num_drafts and match[good, n - 2]:
                good += 1
            histogram[good] += 1
            n += good + 1
    rounds = sum(histogram)
    accepted = sum(i * count for i, count in enumerate(histogram))
    survival = [sum(histogram[i:]) / max(1, rounds) for i in range(1, num_drafts + 1)]
    return {
        "rounds": rounds,
        "acceptance_rate": accepted / max(1, rounds * num_drafts),
        "tokens_per_forward": 1 + accepted / max(1, rounds),
        "survival": survival,
    }
