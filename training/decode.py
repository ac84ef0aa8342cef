"""Batched greedy generation with a static cache; on a GPU each step is one CUDA graph.

All sequences advance one position a step: prompts are fed token by token, then own tokens. Contexts
stay within four blocks, where the sparse layers equal dense attention.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from config import TargetConfig
from model import (
    NEGATIVE,
    Params,
    feed_forward,
    gemma_norm,
    layer_params,
    linear,
    project_qkv,
    rope_table,
)


class Decoder:
    """Greedy decoding of up to `max_batch` sequences of up to `length` tokens."""

    def __init__(
        self, params: Params, config: TargetConfig, max_batch: int, length: int, num_tokens: int
    ) -> None:
        device = params["embed"].device
        self.config, self.length, self.num_tokens = config, length, num_tokens
        self.dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        keep = ("router", "router_bias")
        self.params = {
            k: v.detach() if k.endswith(keep) else v.detach().to(self.dtype)
            for k, v in params.items()
        }
        shape = (max_batch, config.num_kv_heads, length, config.head_dim)
        self.keys = [
            torch.zeros(shape, dtype=self.dtype, device=device) for _ in range(config.num_layers)
        ]
        self.values = [torch.zeros_like(k) for k in self.keys]
        self.tokens = torch.zeros(max_batch, length, dtype=torch.int64, device=device)
        self.lengths = torch.ones(max_batch, dtype=torch.int64, device=device)
        self.position = torch.zeros(1, dtype=torch.int64, device=device)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.columns = torch.arange(length, device=device)

    def attention(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """One query row per sequence over its cache."""
        keys, values = self.keys[layer], self.values[layer]
        keys.index_copy_(2, self.position, k.transpose(1, 2))
        values.index_copy_(2, self.position, v.transpose(1, 2))
        b, _, heads, dim = q.shape
        groups = self.config.num_kv_heads
        q = q.view(b, groups, heads // groups, dim)
        scores = (q @ keys.mT).float() * dim**-0.5
        scores = scores.masked_fill(self.columns > self.position, NEGATIVE)
        return (scores.softmax(-1).to(q.dtype) @ values).view(b, 1, heads * dim)

    def step(self) -> None:
        """Runs the token at `position` of every sequence and advances."""
        config = self.config
        token = self.tokens.index_select(1, self.position)
        x = F.embedding(token, self.params["embed"])
        rope = rope_table(self.position[None], config.rotary_dim, config.rope_theta)
        for layer in range(config.num_layers):
            p = layer_params(self.params, layer)
            h = gemma_norm(x, p["norm_in"], config.rms_norm_eps)
            attended = self.attention(layer, *project_qkv(h, p, *rope, config))
            x = x + linear(attended, p["o"])
            h = gemma_norm(x, p["norm_post"], config.rms_norm_eps)
            x = x + feed_forward(h, p, config)[0]
        hidden = gemma_norm(x, self.params["norm"], config.rms_norm_eps)
        logits = linear(hidden[:, 0], self.params["lm_head"])[:, : self.num_tokens]
        self.position.add_(1)
        given = self.tokens.index_select(1, self.position)[:, 0]
        own = self.position >= self.lengths
        chosen = torch.where(own, logits.argmax(-1), given)
        self.tokens.index_copy_(1, self.position, chosen[:, None])

    def capture(self) -> None:
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for _ in range(2):
                self.position.zero_()
                self.step()
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.step()

    @torch.no_grad()
    def run(self, prompts: list[list[int]], end: int) -> list[list[int]]:
        """The new tokens of each prompt, with the end token where it came."""
        if self.graph is None and self.dtype == torch.bfloat16:
            self.capture()
        advance: Callable[[], None] = self.graph.replay if self.graph else self.step
        count = len(prompts)
        self.tokens.zero_()
        self.lengths.fill_(1)
        host = torch.zeros(count, self.length, dtype=torch.int64)
        for i, prompt in enumerate(prompts):
            host[i, : len(prompt)] = torch.tensor(prompt)
        lengths = torch.tensor([len(p) for p in prompts])
        self.tokens[:count] = host.to(self.tokens.device)
        self.lengths[:count] = lengths.to(self.tokens.device)
        self.position.zero_()
        shortest = int(lengths.min())
        for t in range(self.length - 1):
            advance()
            if t % 32 == 31 and t > shortest:
                own = self.columns[None] >= self.lengths[:count, None]
                seen = self.columns[None] <= self.position
                if bool(((self.tokens[:count] == end) & own & seen).any(1).all()):
                    break
        last = int(self.position)
        rows = self.tokens[:count, : last + 1].tolist()
        return [cut(row[len(p) :], end) for row, p in zip(rows, prompts)]


def cut(tokens: list[int], end: int) -> list[int]:
    return tokens[: tokens.index(end) + 1] if end in tokens else tokens


def generate(decoder: Decoder, prompts: list[list[int]], end: int) -> list[list[int]]:
    """Any number of prompts, sorted by length into batches."""
    size = decoder.tokens.shape[0]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    out: list[list[int]] = [[] for _ in prompts]
    for at in range(0, len(order), size):
        chunk = order[at : at + size]
        for i, result in zip(chunk, decoder.run([prompts[i] for i in chunk], end)):
            out[i] = result
    return out
