#!/usr/bin/env python3
"""Writes the golden files of tests/text/tokenizer_golden_test.cc with the `tokenizers` package.

    python3 tools/make_tokenizer_goldens.py --data DIR [--only NAME]

DIR holds tokenizers/NAME/tokenizer.json.xz and gsm8k/test.jsonl (../shared/data). Needs the
package `tokenizers`; the version that wrote a file stands in its first line. Deterministic: run it
again and nothing changes. Regenerate only in a change that says why the old goldens were wrong, and
when models/talon-tiny gets another tokenizer (--only talon_tiny).

The texts stand in tests/golden/text/tokenizer_texts.json; random ones are made of its atoms.

One file a tokenizer, tests/golden/text/tokenizer_NAME.jsonl, one JSON object a line:
    {"package": ...}                                      first line
    {"text": ..., "ids": [...]}                           encode
    {"hex": ..., "ids": [...]}                            encode of bytes that are not UTF-8
    {"decode": [...], "text": ..., "skipped": ...}        decode, with and without special tokens
    {"gsm8k_questions": n, "num_ids": n, "digest": ...}   FNV-1a over the ids of all questions

tests/golden/text/tokenizer_variants.jsonl holds small tokenizers made here: {"base": {...}} once,
then for each tokenizer a line {"patch": {...}} (a JSON merge patch, RFC 7396, of the base) and its
cases: flags of added tokens, normalisation, merges, and the forms of the pre-tokenizer.
"""

import argparse
import json
import lzma
import random
import struct
import sys
from pathlib import Path
from typing import Any, Iterator

import tokenizers
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden" / "text"
SEED = 20260101
NUM_MERGES = 60
TEXTS = json.loads((GOLDEN / "tokenizer_texts.json").read_text(encoding="ascii"))


def random_text(rng: random.Random, atoms: list[str], max_atoms: int) -> str:
    return "".join(rng.choice(atoms) for _ in range(rng.randint(1, max_atoms)))


def special_texts(specials: list[str]) -> Iterator[str]:
    for token in specials:
        yield token
        yield f"a{token}b"
        yield f" {token} "
        yield token + token
        yield token[:-1]
        yield token[1:]
        yield token[:-1] + token
    yield "".join(specials)
    yield "\n".join(specials)
    yield specials[0] + "user\nHello" + specials[1] + "\n" + specials[2] + "x\u0301" + specials[0]


def texts_for(name: str, rng: random.Random) -> Iterator[str]:
    specials = TEXTS["special_tokens"][name]
    yield from TEXTS["plain"]
    yield from special_texts(specials)
    for _ in range(150):
        yield random_text(rng, TEXTS["random_atoms"] + specials, 24)


# ------------------------------------------------------------------------------------------------
# Lines of a golden file


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False).ids


def encode_line(tokenizer: Tokenizer, text: str) -> dict[str, Any]:
    return {"text": text, "ids": encode(tokenizer, text)}


def decode_line(tokenizer: Tokenizer, ids: list[int]) -> dict[str, Any]:
    return {
        "decode": ids,
        "text": tokenizer.decode(ids, skip_special_tokens=False),
        "skipped": tokenizer.decode(ids, skip_special_tokens=True),
    }


def fnv1a(data: bytes) -> str:
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def gsm8k_line(tokenizer: Tokenizer, data: Path) -> dict[str, Any]:
    lines = (data / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    ids = [i for line in lines for i in encode(tokenizer, json.loads(line)["question"])]
    return {
        "gsm8k_questions": len(lines),
        "num_ids": len(ids),
        "digest": fnv1a(struct.pack(f"<{len(ids)}i", *ids)),
    }


def lines_of_real(name: str, tokenizer: Tokenizer, data: Path) -> Iterator[dict[str, Any]]:
    rng = random.Random(f"{SEED} {name}")
    yield {"package": f"tokenizers {tokenizers.__version__}"}
    for text in texts_for(name, rng):
        yield encode_line(tokenizer, text)
    for hex_bytes in TEXTS["invalid_hex"]:
        yield {
            "hex": hex_bytes,
            "ids": encode(tokenizer, bytes.fromhex(hex_bytes).decode("utf-8", errors="replace")),
        }
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    for _ in range(60):
        count = rng.randint(1, 12)
        yield decode_line(tokenizer, [rng.randrange(size) for _ in range(count)])
    # Ids of single bytes and short tokens, so that characters are cut and joined.
    short = [
        i
        for i in range(size)
        if (token := tokenizer.id_to_token(i)) is not None and len(token) <= 2
    ]
    for _ in range(60):
        yield decode_line(tokenizer, [rng.choice(short) for _ in range(rng.randint(1, 12))])
    yield gsm8k_line(tokenizer, data)


# ------------------------------------------------------------------------------------------------
# Small tokenizers

BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": False,
}
O200K = (
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
)


def byte_characters() -> list[str]:
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    shifted = iter(range(0x100, 0x200))
    return [chr(b) if b in printable else chr(next(shifted)) for b in range(256)]


def base_document() -> dict[str, Any]:
    """All bytes and some merges of random neighbours."""
    rng = random.Random(f"{SEED} merges")
    vocab = {c: i for i, c in enumerate(byte_characters())}
    merges: list[list[str]] = []
    pool = list("abcdefghijnorstxy\u0120\u010a'AB01<>") + ["\u00c3", "\u00a9", "\u00cc", "\u0123"]
    while len(merges) < NUM_MERGES:
        left, right = rng.choice(pool), rng.choice(pool)
        if left + right in vocab or left + right == "ab":
            continue
        vocab[left + right] = len(vocab)
        merges.append([left, right])
        pool.append(left + right)
    model = {
        "type": "BPE",
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": vocab,
        "merges": merges,
    }
    return {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": BYTE_LEVEL,
        "decoder": dict(BYTE_LEVEL),
        "model": model,
    }


def merge_patch(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def added(token_id: int, content: str, flags: str = "") -> dict[str, Any]:
    names = {"single_word": "w", "lstrip": "l", "rstrip": "r", "normalized": "n", "special": "s"}
    return {
        "id": token_id,
        "content": content,
        **{name: letter in flags for name, letter in names.items()},
    }


def added_tokens(*specs: tuple[str, str]) -> list[dict[str, Any]]:
    known = BASE["model"]["vocab"]
    fresh = [content for content, _ in specs if content not in known]
    return [
        added(
            known.get(content, len(known) + (fresh.index(content) if content in fresh else 0)),
            content,
            flags,
        )
        for content, flags in specs
    ]


def split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(steps)}


BASE = base_document()


def variants(rng: random.Random) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Patches of the base and the texts to encode with each."""

    def texts(count: int = 40, atoms: list[str] = TEXTS["flag_atoms"]) -> list[str]:
        return [random_text(rng, atoms, 14) for _ in range(count)]

    for flags in [
        "",
        "s",
        "l",
        "r",
        "lr",
        "w",
        "wl",
        "wr",
        "wlr",
        "n",
        "nl",
        "nr",
        "nw",
        "nwlr",
        "sl",
        "slr",
    ]:
        yield {
            "added_tokens": added_tokens(
                ("<m>", flags), ("<mask>", ""), ("word", flags), ("ab", "n")
            )
        }, texts(24)
    # Longest first, prefixes of each other, overlaps, white space inside and around.
    yield {
        "added_tokens": added_tokens(
            ("a", ""), ("ab", "s"), ("abc", "w"), ("bc", ""), ("  ", ""), (" x", "lr")
        )
    }, texts(60, ["a", "b", "c", " ", "  ", "x", "d", "\n"])
    # The normalized ones are searched after normalisation, the others before it.
    nfc = {"type": "NFC"}
    for normalizer in [
        nfc,
        {"type": "Sequence", "normalizers": [nfc]},
        {"type": "Sequence", "normalizers": []},
    ]:
        yield {
            "normalizer": normalizer,
            "added_tokens": added_tokens(
                ("caf\u00e9", "n"), ("cafe\u0301s", ""), ("\u00ea", "nwlr"), ("<m>", "s")
            ),
        }, texts(40)
    yield {"normalizer": nfc}, [random_text(rng, TEXTS["random_atoms"], 20) for _ in range(40)]
    # The pre-tokenizer's forms.
    forms = [
        dict(BYTE_LEVEL, use_regex=True),
        dict(BYTE_LEVEL, add_prefix_space=True),
        dict(BYTE_LEVEL, add_prefix_space=True, use_regex=True),
        sequence(split(O200K), BYTE_LEVEL),
        sequence(BYTE_LEVEL),
        sequence(
            split("\\p{N}{1,3}"),
            split("[\u4e00-\u9fff\u3040-\u30ff]+"),
            split("\\s+"),
            dict(BYTE_LEVEL, add_prefix_space=True),
        ),
        sequence(
            sequence(split("\\d")),
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
        ),
        sequence(dict(split("\\w+"), invert=True), BYTE_LEVEL),
        sequence(split("\\W"), BYTE_LEVEL),
        sequence(split("(?=[A-Z])"), BYTE_LEVEL),
        sequence(split("x*"), BYTE_LEVEL),
        sequence(split("(?<=a)b|^.|.$"), BYTE_LEVEL),
        sequence(split("\\p{Han}+|\\p{^L}|\\P{Ll}"), BYTE_LEVEL),
        sequence(split("[^\\S\\n]+|\\u00e9|\\x41|\\x{4e2d}"), BYTE_LEVEL),
        sequence(split("(?i:THE|\u00e9)+"), BYTE_LEVEL),
        sequence(split("a?+[ab]++|\\S"), BYTE_LEVEL),
    ]
    for form in forms:
        yield {"pre_tokenizer": form, "added_tokens": added_tokens(("<m>", "s"))}, [
            random_text(rng, TEXTS["random_atoms"] + ["<m>"], 20) for _ in range(30)
        ] + ["a\u00bdb\u00b2c\u2460d \u00be-", "a_b\u203fc\u180ed\u200de"]
    # The model's forms.
    merges = BASE["model"]["merges"]
    yield {"model": {"merges": ["#version: 0.2"] + [" ".join(pair) for pair in merges]}}, texts(20)
    yield {"model": {"merges": merges + merges[:10]}}, texts(20)
    words = sequence(split("\\s*\\w+"), BYTE_LEVEL)
    size = len(BASE["model"]["vocab"])
    for ignore in [True, False]:
        yield {"pre_tokenizer": words, "model": {"ignore_merges": ignore}}, texts(20)
        yield {
            "pre_tokenizer": words,
            "model": {"ignore_merges": ignore, "vocab": {"word": size, "\u0120word": size + 1}},
        }, texts(20)
    used = {c for pair in merges for c in "".join(pair)} | set("A\u00cd")
    lacking = {c: None for c in byte_characters() if c not in used}
    for unk, fuse in [(None, False), ("A", False), ("A", True)]:
        yield {"model": {"vocab": lacking, "unk_token": unk, "fuse_unk": fuse}}, texts(20)
    # An added token that is an entry of the vocabulary, and some with letters of the byte alphabet.
    yield {"added_tokens": added_tokens(("a", "s"))}, texts(20)
    yield {
        "added_tokens": added_tokens(
            ("\u00ea", ""), ("</n\u00e9>", "s"), ("\u0120\u0120\u0120", "")
        )
    }, texts(20) + ["</n\u00e9>", "\u0120\u0120\u0120", "   "]
    # Long pieces go through the heap.
    yield {}, [random_text(rng, list("abcdefghijnorstxy 01<>'AB"), 900) for _ in range(8)]


def lines_of_variants() -> Iterator[dict[str, Any]]:
    rng = random.Random(f"{SEED} variants")
    yield {"package": f"tokenizers {tokenizers.__version__}"}
    yield {"base": BASE}
    for patch, texts in variants(rng):
        document = merge_patch(BASE, patch)
        tokenizer = Tokenizer.from_str(json.dumps(document))
        for token in document["added_tokens"]:
            assert tokenizer.token_to_id(token["content"]) == token["id"], token
        yield {"patch": patch}
        for text in sorted(set(texts)):
            yield encode_line(tokenizer, text)
        ids = sorted(document["model"]["vocab"].values()) + [
            token["id"] for token in document["added_tokens"]
        ]
        for _ in range(4):
            yield decode_line(tokenizer, [rng.choice(ids) for _ in range(rng.randint(1, 30))])


# ------------------------------------------------------------------------------------------------


def write(name: str, lines: Iterator[dict[str, Any]]) -> None:
    GOLDEN.mkdir(parents=True, exist_ok=True)
    path = GOLDEN / f"tokenizer_{name}.jsonl"
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    path.write_text(text, encoding="ascii")
    print(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines, {len(text)} bytes")


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the golden files of the tokenizer.")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with tokenizers/ and gsm8k/"
    )
    parser.add_argument(
        "--only", choices=["gptoss", "qwen3", "talon_tiny", "variants"], help="one file only"
    )
    args = parser.parse_args()
    for name in ["gptoss", "qwen3", "talon_tiny"]:
        if args.only not in (None, name):
            continue
        if name == "talon_tiny":
            text = (ROOT / "models" / "talon-tiny" / "tokenizer.json").read_text(encoding="utf-8")
        else:
            text = (
                lzma.open(args.data / "tokenizers" / name / "tokenizer.json.xz")
                .read()
                .decode("utf-8")
            )
        write(name, lines_of_real(name, Tokenizer.from_str(text), args.data))
    if args.only in (None, "variants"):
        write("variants", lines_of_variants())
    return 0


if __name__ == "__main__":
    sys.exit(main())
