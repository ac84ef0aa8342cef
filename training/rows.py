"""Encodes documents, packs them into rows and produces shards in worker processes.

A shard is an .npz of equal-length rows: tokens, the document number within the row (0 for padding)
and the loss weight of the *next* token in hundredths (0 at the end of a document).
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

import corpus
from corpus import Document
from story import TRAIN

Encoded = tuple[list[int], list[int]]


def encode(tokenizer: Tokenizer, documents: list[Document]) -> list[Encoded]:
    """Token ids and weights in hundredths of each document."""
    texts = [text for document in documents for text, _ in document]
    encodings = iter(tokenizer.encode_batch_fast(texts, add_special_tokens=False))
    out = []
    for document in documents:
        ids: list[int] = []
        weights: list[int] = []
        for _, weight in document:
            piece = next(encodings).ids
            ids += piece
            weights += [round(100 * weight)] * len(piece)
        out.append((ids, weights))
    return out


def pack(encoded: list[Encoded], length: int, max_open: int = 24) -> dict[str, np.ndarray]:
    """First-fit packing into rows; longer documents are dropped."""
    open_rows: list[list[Encoded]] = []
    room: list[int] = []
    done: list[list[Encoded]] = []
    for item in encoded:
        size = len(item[0])
        if size > length or size < 2:
            continue
        for i, free in enumerate(room):
            if size <= free:
                open_rows[i].append(item)
                room[i] -= size
                break
        else:
            if len(room) == max_open:
                fullest = room.index(min(room))
                done.append(open_rows.pop(fullest))
                room.pop(fullest)
            open_rows.append([item])
            room.append(length - size)
    return to_arrays(done + open_rows, length)


def to_arrays(rows: list[list[Encoded]], length: int) -> dict[str, np.ndarray]:
    tokens = np.zeros((len(rows), length), np.uint16)
    documents = np.zeros((len(rows), length), np.uint8)
    weights = np.zeros((len(rows), length), np.uint8)
    for r, row in enumerate(rows):
        at = 0
        for number, (ids, weight) in enumerate(row, 1):
            end = at + len(ids)
            tokens[r, at:end] = ids
            documents[r, at:end] = number
            weights[r, at : end - 1] = weight[1:]
            at = end
    return {"tokens": tokens, "documents": documents, "weights": weights}


def long_rows(
    tokenizer: Tokenizer, rng: random.Random, count: int, length: int, mode: str = TRAIN
) -> dict[str, np.ndarray]:
    """Rows of one long document each, cut at the row length."""
    documents = [corpus.long_document(rng, mode, int(length * 3.6)) for _ in range(count)]
    encoded = encode(tokenizer, documents)
    return to_arrays([[(ids[:length], weights[:length])] for ids, weights in encoded], length)


@dataclass(frozen=True)
class ShardPlan:
    """What the workers produce, in this order of shard numbers."""

    folder: Path
    tokenizer: Path
    corpora: Path | None
    gsm8k: Path | None
    seed: int
    num_public: int  # shards of the first phase
    num_shards: int
    rows_per_shard: int
    length: int = 512
    num_long: int = 0
    long_rows: int = 256
    long_length: int = 2048


def save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    temporary = path.with_suffix(".part")
    with open(temporary, "wb") as file:
        np.savez(file, **arrays)
    os.rename(temporary, path)


def produce(plan: ShardPlan, worker: int, num_workers: int) -> None:
    """One worker: every num_workers-th shard; the long rows come after the second short shard."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.nice(5)
    tokenizer = Tokenizer.from_file(str(plan.tokenizer))
    mixture = corpus.Mixture(random.Random(0), plan.corpora, plan.gsm8k)
    for shard in range(worker, plan.num_shards, num_workers):
        if shard // num_workers == 2:
            produce_long(plan, tokenizer, worker, num_workers)
        mixture.rng = random.Random(plan.seed * 100003 + shard)
        encoded: list[Encoded] = []
        budget = plan.rows_per_shard * plan.length
        while budget > 0:
            batch = encode(tokenizer, [mixture.draw(shard < plan.num_public) for _ in range(500)])
            encoded += batch
            budget -= sum(len(ids) for ids, _ in batch)
        save(plan.folder / f"short-{shard:04d}.npz", pack(encoded, plan.length))
    if plan.num_shards <= 2 * num_workers + worker:
        produce_long(plan, tokenizer, worker, num_workers)


def produce_long(plan: ShardPlan, tokenizer: Tokenizer, worker: int, num_workers: int) -> None:
    for shard in range(worker, plan.num_long, num_workers):
        rng = random.Random(plan.seed * 200003 + shard)
        arrays = long_rows(tokenizer, rng, plan.long_rows, plan.long_length)
        save(plan.folder / f"long-{shard:04d}.npz", arrays)


def start_workers(plan: ShardPlan, num_workers: int) -> list[multiprocessing.Process]:
    plan.folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=produce, args=(plan, i, num_workers), daemon=True)
        for i in range(num_workers)
    ]
    for worker in workers:
        worker.start()
    return workers


class ShardReader:
    """Yields the shards in order, waiting for the producers; reuses old ones if they lag."""

    def __init__(self, folder: Path, prefix: str, count: int, seed: int) -> None:
        self.folder, self.prefix, self.count = folder, prefix, count
        self.rng = random.Random(seed)
        self.next_shard = 0
        self.num_reused = 0

    def read(self) -> dict[str, np.ndarray]:
        path = self.folder / f"{self.prefix}-{self.next_shard:04d}.npz"
        while self.next_shard == 0 and not path.exists():
            time.sleep(0.2)
        if self.next_shard < self.count and path.exists():
            self.next_shard += 1
        else:
            self.num_reused += 1
            old = self.rng.randrange(self.next_shard)
            path = self.folder / f"{self.prefix}-{old:04d}.npz"
        with np.load(path) as data:
            arrays = {name: data[name] for name in data.files}
        order = np.random.default_rng(self.rng.randrange(2**32)).permutation(len(arrays["tokens"]))
        return {name: value[order] for name, value in arrays.items()}
