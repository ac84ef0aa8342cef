"""Muon for matrices and fused Adam for the rest, with a schedule by wall clock."""

from __future__ import annotations

import torch
from torch import Tensor

from model import Params

ADAM_NAMES = ("embed", "lm_head", "router")


def is_matrix(name: str, value: Tensor) -> bool:
    """Whether Muon takes the parameter."""
    return value.ndim >= 2 and not name.endswith(ADAM_NAMES)


def orthogonalise(x: Tensor, steps: int = 5) -> Tensor:
    """Newton-Schulz iteration on a batch of matrices with no more rows than columns."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = x.bfloat16()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


class Muon:
    """Momentum orthogonalised per matrix; matrices of one shape share the batched products.

    Wide and tall matrices of the same two sizes go together (tall ones transposed).
    """

    def __init__(self, params: list[Tensor], weight_decay: float = 0.01) -> None:
        self.weight_decay = weight_decay
        groups: dict[tuple[int, int], list[Tensor]] = {}
        for param in params:
            rows, columns = param.shape[-2:]
            groups.setdefault((min(rows, columns), max(rows, columns)), []).append(param)
        self.groups = list(groups.items())
        self.momentum: list[Tensor | None] = [None] * len(self.groups)

    @torch.no_grad()
    def step(self, lr: float, beta: float = 0.95) -> None:
        for index, ((small, large), params) in enumerate(self.groups):
            grads = torch.cat([self.flat(p.grad, small) for p in params])
            if self.momentum[index] is None:
                self.momentum[index] = torch.zeros_like(grads)
            momentum = self.momentum[index]
            momentum.lerp_(grads, 1 - beta)
            update = orthogonalise(grads.lerp(momentum, beta))
            at = 0
            pieces = []
            for p in params:
                count = p.numel() // (small * large)
                piece = update[at : at + count]
                if p.shape[-2] > p.shape[-1]:
                    piece = piece.mT
                scale = max(1.0, p.shape[-2] / p.shape[-1]) ** 0.5
                pieces.append(piece.reshape(p.shape).float() * (-lr * scale))
                at += count
            torch._foreach_mul_(params, 1 - lr * self.weight_decay)
            torch._foreach_add_(params, pieces)

    @staticmethod
    def flat(grad: Tensor, small: int) -> Tensor:
        matrices = grad.reshape(-1, *grad.shape[-2:])
        return matrices if matrices.shape[-2] == small else matrices.mT


class Optimizer:
    """Both optimisers over the trainable parameters of a model."""

    def __init__(self, params: Params, muon_lr: float, adam_lr: float) -> None:
        trainable = {k: v for k, v in params.items() if v.requires_grad}
        self.muon_lr, self.adam_lr = muon_lr, adam_lr
        self.muon = Muon([v for k, v in trainable.items() if is_matrix(k, v)])
        rest = [v for k, v in trainable.items() if not is_matrix(k, v)]
        fused = bool(rest) and rest[0].is_cuda
        self.adam = torch.optim.Adam(rest, lr=adam_lr, betas=(0.9, 0.95), fused=fused)
        self.params = list(trainable.values())

    def step(self, factor: float) -> None:
        """One update at `factor` times the base rates; clears the gradients."""
        self.muon.step(self.muon_lr * factor)
        for group in self.adam.param_groups:
            group["lr"] = self.adam_lr * factor
        self.adam.step()
        for param in self.params:
            param.grad = None


def schedule(done: float, warm: float = 0.02, flat: float = 0.4) -> float:
    """The rate factor at a share of the time: linear warm-up, constant, linear to 0."""
    if done < warm:
        return max(done / warm, 0.02)
    if done < flat:
        return 1.0
    return max((1.0 - done) / (1.0 - flat), 0.0)
