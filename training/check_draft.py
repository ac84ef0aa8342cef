"""Checks the acceptance walk against literal drafting on the exported pair, in float32.

For a few held-out problems the drafter runs as a server would: after each verification it extends
over all known rows, then chains its own drafts. The accepted counts must equal those of the
teacher-forced walk that train_head.py uses.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

import evaluate
import export
from config import HeadConfig, TargetConfig
from head import combine_taps, head_output, head_qkv
from model import Params, causal_mask, forward_hidden
from train_head import acceptance, draft_matches


def attend_cached(q: Tensor, keys: Tensor, values: Tensor, first: int) -> Tensor:
    """q [1, T, H, D] at positions first.. over all keys up to its own; returns [1, T, H * D]."""
    repeat = q.shape[2] // keys.shape[2]
    k = keys.repeat_interleave(repeat, 2)[0]
    v = values.repeat_interleave(repeat, 2)[0]
    scores = torch.einsum("thd,shd->hts", q[0], k) * q.shape[-1] ** -0.5
    rows = torch.arange(q.shape[1])[:, None] + first
    scores = scores.masked_fill(torch.arange(k.shape[0]) > rows, float("-inf"))
    return torch.einsum("hts,shd->thd", scores.softmax(-1), v).flatten(1)[None]


def draft(
    head: Params, target: Params, taps: list[Tensor], tokens: list[int], config: HeadConfig, k: int
) -> list[int]:
    """k drafts after the known tokens; taps are the target's for all rows but the last."""
    n = len(tokens)
    hidden = combine_taps([tap[:, : n - 1] for tap in taps], head, config)
    embedded = F.embedding(torch.tensor([tokens[1:]]), target["embed"])
    q, keys, values = head_qkv(embedded, hidden, torch.arange(n - 1)[None], head, config)
    out = head_output(hidden, attend_cached(q, keys, values, 0), head, config)[:, -1:]
    drafts: list[int] = []
    while True:
        drafts.append(int((out @ target["lm_head"].T)[0, 0].argmax()))
        if len(drafts) == k:
            return drafts
        position = n - 2 + len(drafts)
        embedded = F.embedding(torch.tensor([[drafts[-1]]]), target["embed"])
        where = torch.tensor([[position]])
        q, key, value = head_qkv(embedded, out, where, head, config)
        keys, values = torch.cat((keys, key), 1), torch.cat((values, value), 1)
        out = head_output(out, attend_cached(q, keys, values, position), head, config)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, required=True, help="folder of both models")
    parser.add_argument("--data", type=Path, required=True, help="problems as JSON lines")
    parser.add_argument("--limit", type=int, default=8)
    parser.add_argument("--drafts", type=int, default=3)
    args = parser.parse_args()
    config = TargetConfig()
    head_config = HeadConfig(config)
    target = export.load_target(args.models / "talon-tiny", config)
    head = export.load_head(args.models / "talon-tiny-eagle3")
    tokenizer = Tokenizer.from_file(str(args.models / "talon-tiny" / "tokenizer.json"))
    judge = evaluate.Evaluator(target, config, tokenizer, args.limit, max_length=320)
    report, samples = judge.problems(evaluate.read_rows(args.data)[: args.limit])
    accepted = rounds = 0
    for prompt, new in samples:
        full = prompt + new
        positions = torch.arange(len(full))[None]
        mask = causal_mask(len(full), positions.device)
        _, taps, _ = forward_hidden(target, torch.tensor([full]), positions, mask, config)
        n = len(prompt) + 1
        while n < len(full):
            drafts = draft(head, target, taps, full[:n], head_config, args.drafts)
            good = 0
            while good < len(drafts) and n + good < len(full) and drafts[good] == full[n + good]:
                good += 1
            accepted += good
            rounds += 1
            n += good + 1
    sequences = [(prompt + new, [0] * len(prompt + new)) for prompt, new in samples]
    matches = draft_matches(
        head, target, sequences, head_config, args.drafts, tokenizer.get_vocab_size(), "cpu"
    )
    lengths = [len(ids) for ids, _ in sequences]
    walk = acceptance(matches, [len(p) for p, _ in samples], lengths, args.drafts)
    literal = {"rounds": rounds, "acceptance_rate": accepted / (rounds * args.drafts)}
    print(json.dumps({"accuracy": report["accuracy"], "literal": literal, "walk": walk}, indent=1))


if __name__ == "__main__":
    main()
