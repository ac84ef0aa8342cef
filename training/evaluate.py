"""Greedy accuracy on the held-out files and the drafter's acceptance on the same sequences."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from tokenizers import Tokenizer

from chat_format import END, raw_prompt, render_prompt
from config import HeadConfig, TargetConfig
from decode import Decoder, generate
from export import round_to_bf16
from model import Params
from train_head import acceptance, draft_matches

Sample = tuple[list[int], list[int]]  # prompt, new tokens


def read_rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def final_answer(text: str) -> str | None:
    """The number behind the first ####, without commas."""
    if "#### " not in text:
        return None
    lines = text.split("#### ", 1)[1].splitlines()
    return lines[0].strip().replace(",", "") if lines else None


class Evaluator:
    """Holds a decoder for one state of the target."""

    def __init__(
        self,
        params: Params,
        config: TargetConfig,
        tokenizer: Tokenizer,
        max_batch: int,
        max_length: int = 512,
    ) -> None:
        self.max_length = max_length
        self.tokenizer = tokenizer
        self.end = tokenizer.token_to_id(END)
        self.num_tokens = tokenizer.get_vocab_size()
        rounded = round_to_bf16(params)
        self.decoder = Decoder(rounded, config, max_batch, max_length, self.num_tokens)

    def complete(self, prompts: list[str]) -> list[Sample]:
        """Greedy completions; prompts that leave no room are dropped to empty completions."""
        encodings = self.tokenizer.encode_batch(prompts, add_special_tokens=False)
        ids = [encoding.ids[: self.max_length - 1] for encoding in encodings]
        return list(zip(ids, generate(self.decoder, ids, self.end)))

    def text(self, sample: Sample) -> str:
        return self.tokenizer.decode(sample[1], skip_special_tokens=True)

    def problems(self, rows: list[dict], chat: bool = False) -> tuple[dict, list[Sample]]:
        """Accuracy in total, by slice and by family (errors only)."""
        if chat:
            prompts = [render_prompt([{"role": "user", "content": r["question"]}]) for r in rows]
        else:
            prompts = [raw_prompt(row["question"]) for row in rows]
        samples = self.complete(prompts)
        total: Counter[str] = Counter()
        right: Counter[str] = Counter()
        wrong: Counter[str] = Counter()
        failures = []
        for row, sample in zip(rows, samples):
            name = row.get("slice", "all")
            total[name] += 1
            answer = self.text(sample)
            if final_answer(answer) == final_answer(row["answer"]):
                right[name] += 1
            else:
                wrong[f"{name}/{row.get('family', '')}"] += 1
                failures.append({**row, "output": answer})
        report = {
            "problems": len(rows),
            "accuracy": sum(right.values()) / len(rows),
            "slices": {name: right[name] / total[name] for name in sorted(total)},
            "errors": dict(wrong.most_common()),
            "failures": failures[:40],
        }
        return report, samples

    def dialogues(self, rows: list[dict]) -> tuple[dict, list[Sample]]:
        """Share of completions equal to the reference, and those that differ."""
        samples = self.complete([render_prompt(row["messages"]) for row in rows])
        different = [
            {
                "user": row["messages"][-1]["content"],
                "reference": row["completion"],
                "output": self.text(sample),
            }
            for row, sample in zip(rows, samples)
            if self.text(sample) != row["completion"]
        ]
        report = {
            "dialogues": len(rows),
            "equal_to_reference": 1 - len(different) / len(rows),
            "different": different,
        }
        return report, samples


def head_report(
    head: Params,
    target: Params,
    samples: list[Sample],
    config: HeadConfig,
    num_tokens: int,
    device: str,
) -> dict[str, dict]:
    """Acceptance at K = 3 and K = 7 over the greedy sequences."""
    kept = [s for s in samples if s[1]]
    sequences = [(prompt + new, [0] * (len(prompt) + len(new))) for prompt, new in kept]
    matches = draft_matches(head, target, sequences, config, 7, num_tokens, device)
    prompts = [len(prompt) for prompt, _ in kept]
    lengths = [len(ids) for ids, _ in sequences]
    return {f"k{k}": acceptance(matches, prompts, lengths, k) for k in (3, 7)}
