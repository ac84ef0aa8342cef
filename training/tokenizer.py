"""Trains the byte-level BPE and writes the tokenizer's files.

The pre-tokenizer is the o200k pattern with single digits. Special tokens follow the base entries;
the vocabulary of the model is padded beyond them, so its last rows have no token.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

import chat_format
import corpus
from config import TargetConfig

NUM_BASE = 4056
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
PATTERN = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
        + CONTRACTIONS,
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
        + CONTRACTIONS,
        r"\p{N}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)


def train(texts: Iterator[str]) -> Tokenizer:
    """A byte-level BPE over the texts with the special tokens added behind."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=NUM_BASE,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    for content in chat_format.CONTROL_TOKENS:
        tokenizer.add_special_tokens([AddedToken(content, normalized=False)])
    for content in chat_format.VISIBLE_TOKENS:
        tokenizer.add_tokens([AddedToken(content, normalized=False)])
    return tokenizer


def special_ids(tokenizer: Tokenizer) -> dict[str, int]:
    names = chat_format.CONTROL_TOKENS + chat_format.VISIBLE_TOKENS
    return {name: tokenizer.token_to_id(name) for name in names}


def save(tokenizer: Tokenizer, folder: Path, max_positions: int) -> None:
    """tokenizer.json, tokenizer_config.json, generation_config.json and the chat template."""
    folder.mkdir(parents=True, exist_ok=True)
    data = json.loads(tokenizer.to_str())
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    (folder / "tokenizer.json").write_text(text + "\n", encoding="utf-8")
    ids = special_ids(tokenizer)
    added = {
        str(entry["id"]): {k: entry[k] for k in entry if k != "id"}
        for entry in data["added_tokens"]
    }
    config = {
        "added_tokens_decoder": added,
        "add_prefix_space": False,
        "bos_token": chat_format.START,
        "clean_up_tokenization_spaces": False,
        "eos_token": chat_format.END,
        "model_max_length": max_positions,
        "pad_token": "]!p~[",
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "]!d~[",
    }
    write_json(folder / "tokenizer_config.json", config)
    generation = {
        "bos_token_id": ids[chat_format.START],
        "do_sample": False,
        "eos_token_id": ids[chat_format.END],
        "pad_token_id": ids["]!p~["],
    }
    write_json(folder / "generation_config.json", generation)
    shutil.copy(Path(__file__).parent / "chat_template.jinja", folder / "chat_template.jinja")


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", type=Path, required=True, help="folder of the public corpora")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write into")
    parser.add_argument("--seed", type=int, default=11)
    args = parser.parse_args()
    config = TargetConfig()
    texts = list(corpus.tokenizer_texts(args.corpora, args.seed))
    random.Random(args.seed).shuffle(texts)
    tokenizer = train(iter(texts))
    save(tokenizer, args.out, config.max_positions)
    count = tokenizer.get_vocab_size()
    print(f"{count} tokens, {config.vocab_size - count} rows without a token")


if __name__ == "__main__":
    main()
