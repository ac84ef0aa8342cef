"""Decode speed of transformers on the embedded target, as a yardstick for `talon bench generate`.

Runs the same prompts greedily, one at a time, in bfloat16 on the CPU with a key-value cache and a
bare loop around the forward pass (faster than `generate`), and prints tokens per second of the
decode part, which is what Talon reports.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, MiniMaxM3VLForCausalLM

import export
from check_transformers import reference_state
from config import TargetConfig


def load_model(folder: Path) -> MiniMaxM3VLForCausalLM:
    config = TargetConfig()
    text_config = AutoConfig.from_pretrained(folder).text_config
    text_config._attn_implementation = "sdpa"
    model = MiniMaxM3VLForCausalLM(text_config).eval()
    state = reference_state(export.load_target(folder, config), config)
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not missing and not unexpected, (missing, unexpected)
    return model.to(torch.bfloat16)


@torch.inference_mode()
def decode(
    model: MiniMaxM3VLForCausalLM, prompt: list[int], end_id: int, max_tokens: int
) -> tuple[list[int], float]:
    """The answer's ids and the seconds from its first token to its last."""
    out = model(input_ids=torch.tensor([prompt]), use_cache=True)
    token = int(out.logits[0, -1].argmax())
    ids = [token]
    start = time.perf_counter()
    while token != end_id and len(ids) < max_tokens:
        out = model(
            input_ids=torch.tensor([[token]]), past_key_values=out.past_key_values, use_cache=True
        )
        token = int(out.logits[0, -1].argmax())
        ids.append(token)
    return ids, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, required=True, help="JSON lines: kind, prompt")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--max-tokens", type=int, default=256)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = load_model(args.model)
    tokenizer = Tokenizer.from_file(str(args.model / "tokenizer.json"))
    end_id = json.loads((args.model / "generation_config.json").read_text())["eos_token_id"]
    end_id = end_id[0] if isinstance(end_id, list) else end_id
    totals: dict[str, list[float]] = {}
    for line in args.prompts.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        ids = tokenizer.encode(item["prompt"], add_special_tokens=False).ids
        if not totals:
            decode(model, ids, end_id, 16)  # warm-up
        answer, seconds = decode(model, ids, end_id, args.max_tokens)
        total = totals.setdefault(item["kind"], [0.0, 0.0])
        total[0] += len(answer) - 1
        total[1] += seconds
    print(
        json.dumps(
            {
                "torch": torch.__version__,
                "threads": args.threads,
                "tokens_per_s": {kind: count / t for kind, (count, t) in totals.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
