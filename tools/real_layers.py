#!/usr/bin/env python3
"""Compares layers of MiniMax-M3's real sizes with transformers on a GPU.

Writes a random checkpoint of one dense and one sparse layer of experts, both of the real sizes
(15 GB), lets transformers' `minimax_m3_vl` compute the log-probabilities of a prompt in float32,
and asks a running `talon serve` for the same ones. Prints one JSON line a dtype: the share of
rows that are off by more than the bound, the median and the largest error. Needs torch,
transformers (5.12 or newer) and a GPU of 80 GB; nothing that builds or tests Talon calls this.

    python3 tools/real_layers.py PROGRAM FOLDER [--tokens 3000] [--small]
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import MiniMaxM3VLForCausalLM, MiniMaxM3VLTextConfig

from m3_layout import M3Sizes, target_config, target_tensors, text_config

TOKENIZER = Path(__file__).resolve().parent.parent / "models" / "talon-tiny"
SHARD_BYTES = 4 << 30
# A row's error is its largest difference over max(1, largest magnitude): docs/numerics.md.
BOUNDS = {"float32": 1e-4, "bf16": 0.1}
MAX_OUTLIERS = 0.002


def real_sizes(vocab_size: int) -> M3Sizes:
    """A dense and a sparse layer (spec: 64 heads of 128, 4 KV heads, 128 experts, 16 blocks)."""
    return M3Sizes(
        vocab_size=vocab_size,
        hidden_size=6144,
        num_layers=2,
        num_heads=64,
        num_kv_heads=4,
        head_dim=128,
        rotary_dim=64,
        dense_size=12288,
        expert_size=3072,
        shared_size=3072,
        num_experts=128,
        experts_per_token=4,
        index_dim=128,
        topk_blocks=16,
    )


def small_sizes(vocab_size: int) -> M3Sizes:
    """The same shape of model, to try this script."""
    return M3Sizes(vocab_size=vocab_size, num_layers=2)


def random_tensor(name: str, shape: tuple[int, ...], dtype: str) -> Tensor:
    """Values that keep the size of activations about 1; norms count from 1."""
    scale = 0.1 if len(shape) == 1 else shape[1] ** -0.5
    if "embed_tokens" in name:
        scale = 1.0
    values = torch.randn(shape, device="cuda") * scale
    return values.float() if dtype == "F32" else values.bfloat16()


def write_checkpoint(folder: Path, sizes: M3Sizes) -> Iterator[tuple[str, Tensor]]:
    """Writes the folder and gives each tensor on the way."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(TOKENIZER / file, folder)
    (folder / "config.json").write_text(json.dumps(target_config(sizes)), encoding="utf-8")
    torch.manual_seed(1)
    files: dict[str, str] = {}
    shard: dict[str, Tensor] = {}

    def flush() -> None:
        name = f"model-{len(set(files.values())):05d}.safetensors"
        save_file(shard, folder / name)
        files.update(dict.fromkeys(shard, name))
        shard.clear()

    for name, shape, dtype in target_tensors(sizes):
        value = random_tensor(name, shape, dtype)
        yield name, value
        shard[name] = value.cpu()
        if sum(t.numel() * t.element_size() for t in shard.values()) > SHARD_BYTES:
            flush()
    flush()
    index = {"metadata": {}, "weight_map": files}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def build_model(sizes: M3Sizes) -> MiniMaxM3VLForCausalLM:
    keys = text_config(sizes)
    rope = {"rope_type": "default", "rope_theta": keys.pop("rope_theta")}
    rope["partial_rotary_factor"] = keys.pop("partial_rotary_factor")
    config = MiniMaxM3VLTextConfig(
        **keys, rope_parameters=rope, bos_token_id=1, eos_token_id=2, pad_token_id=None
    )
    config._attn_implementation = "eager"
    config._experts_implementation = "eager"
    with torch.device("cuda"):
        model = MiniMaxM3VLForCausalLM(config).float().eval()
    # Made on the GPU the frequencies are an ulp off here and there, which 3,000 positions magnify.
    exponents = torch.arange(0, sizes.rotary_dim, 2).float() / sizes.rotary_dim
    rotary = model.model.rotary_emb
    assert rotary.inv_freq.numel() == exponents.numel()
    rotary.inv_freq.copy_(1.0 / sizes.rope_theta**exponents)
    return model


def place(state: dict[str, Tensor], name: str) -> Tensor:
    """The part of transformers' stacked tensors that a tensor of the checkpoint fills."""
    name = name.removeprefix("language_model.")
    expert = re.fullmatch(r"(.*)block_sparse_moe\.experts\.(\d+)\.(w[123])\.weight", name)
    if expert:
        down = expert[3] == "w2"
        stack = state[f"{expert[1]}mlp.experts.{'down_proj' if down else 'gate_up_proj'}"]
        own = stack[int(expert[2])]
        half = own.shape[0] // 2
        return own if down else own[:half] if expert[3] == "w1" else own[half:]
    name = name.replace("block_sparse_moe.e_score", "mlp.gate.e_score")
    name = name.replace("block_sparse_moe.", "mlp.")
    name = re.sub(r"self_attn\.index_([qk])_", r"self_attn.indexer.\1_", name)
    stacked = re.fullmatch(r"(.*\.)(gate|up)_proj\.weight", name)
    if stacked:
        both = state[stacked[1] + "gate_up_proj.weight"]
        half = both.shape[0] // 2
        return both[:half] if stacked[2] == "gate" else both[half:]
    return state[name]


def ids_without_token(vocab_size: int) -> list[int]:
    """Rows of the head that stand for nothing: Talon gives them no probability."""
    file = json.loads((TOKENIZER / "tokenizer.json").read_text(encoding="utf-8"))
    used = set(file["model"]["vocab"].values()) | {token["id"] for token in file["added_tokens"]}
    return sorted(set(range(vocab_size)) - used)


def reference(folder: Path, sizes: M3Sizes, tokens: list[int]) -> list[tuple[float, float]]:
    """After each token: the log-probability of the next one, and of the likeliest."""
    model = build_model(sizes)
    state = dict(model.named_parameters()) | dict(model.named_buffers())
    with torch.no_grad():
        for name, value in write_checkpoint(folder, sizes):
            place(state, name).copy_(value)
        logits = model(input_ids=torch.tensor([tokens], device="cuda"), use_cache=False).logits[0]
        logits = logits.double()
        logits[:, ids_without_token(sizes.vocab_size)] = -torch.inf
        laws = torch.log_softmax(logits, dim=-1)[:-1]
    following = torch.tensor(tokens[1:], device="cuda").unsqueeze(1)
    own = laws.gather(1, following).squeeze(1).tolist()
    return list(zip(own, laws.max(dim=1).values.tolist(), strict=True))


def served(program: str, folder: Path, dtype: str, tokens: list[int]) -> list[tuple[float, float]]:
    """The same from a server."""
    command = [program, "serve", "--model", str(folder), "--device", "cuda", "--dtype", dtype,
               "--host", "127.0.0.1", "--port", "0", "--self-test", "off", "--max-num-seqs", "4",
               "--max-model-len", "4096"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = int(server.stdout.readline().rsplit(":", 1)[1])
            body = {"prompt": tokens, "max_tokens": 1, "echo": True, "logprobs": 1,
                    "temperature": 0}
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/v1/completions", json.dumps(body).encode())
            with urllib.request.urlopen(request, timeout=300) as answer:
                found = json.load(answer)["choices"][0]["logprobs"]
        finally:
            server.terminate()
    rows = zip(found["token_logprobs"], found["top_logprobs"], strict=True)
    return [(own, max(top.values())) for own, top in list(rows)[1 : len(tokens)]]


def compare(ours: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> list[float]:
    errors = []
    for mine, other in zip(ours, theirs, strict=True):
        scale = max(1.0, *(abs(value) for value in other))
        errors.append(max(abs(a - b) for a, b in zip(mine, other, strict=True)) / scale)
    return errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("program")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tokens", type=int, default=3000)
    parser.add_argument("--small", action="store_true", help="small sizes, to try the script")
    args = parser.parse_args()
    vocab = json.loads((TOKENIZER / "config.json").read_text())["text_config"]["vocab_size"]
    sizes = (small_sizes if args.small else real_sizes)(vocab)
    generator = torch.Generator().manual_seed(2)
    tokens = torch.randint(3, 1000, (args.tokens,), generator=generator).tolist()
    torch.set_float32_matmul_precision("highest")  # an environment may ask for TF32
    torch.backends.cuda.matmul.allow_tf32 = False
    theirs = reference(args.folder, sizes, tokens)
    torch.cuda.empty_cache()
    failed = False
    for dtype, bound in BOUNDS.items():
        errors = compare(served(args.program, args.folder, dtype, tokens), theirs)
        outliers = sum(error > bound for error in errors) / len(errors)
        print(json.dumps({"dtype": dtype, "rows": len(errors), "bound": bound,
                          "outlier_share": outliers, "median": statistics.median(errors),
                          "largest": max(errors)}), flush=True)
        failed = failed or outliers > MAX_OUTLIERS
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
