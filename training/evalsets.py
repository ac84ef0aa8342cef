"""Writes the held-out files of data/eval; the same seed gives the same bytes.

Standard library only. `story.py` and `talk.py` say how held-out problems and dialogues differ from
the training ones.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from pathlib import Path

import dialogues
import problems
from chat_format import raw_prompt, render_prompt
from story import SEEN, SHIFTED, UNSEEN

SEED = 20260202
Row = dict[str, object]


def held_out_problems(rng: random.Random, mode: str, count: int) -> list[problems.Problem]:
    """Distinct problems, the families in turn so that each has the same share."""
    out: list[problems.Problem] = []
    seen: set[str] = set()
    order = list(problems.FAMILIES)
    rng.shuffle(order)
    while len(out) < count:
        problem = problems.make(rng, mode, order[len(out) % len(order)])
        if problem.question not in seen:
            seen.add(problem.question)
            out.append(problem)
    return out


def problem_rows(rng: random.Random, mode: str, count: int) -> list[Row]:
    return [dict(p.row(mode)) for p in held_out_problems(rng, mode, count)]


def word_problems() -> list[Row]:
    rng = random.Random(SEED)
    rows = problem_rows(rng, SEEN, 250) + problem_rows(rng, SHIFTED, 250)
    rng.shuffle(rows)
    return rows


def unseen_wording() -> list[Row]:
    rng = random.Random(SEED + 1)
    rows = problem_rows(rng, UNSEEN, 100)
    rng.shuffle(rows)
    return rows


def dialogue_rows(seed: int, count: int) -> list[Row]:
    """Held-out dialogues, at most three that end with the same kind of request."""
    rng = random.Random(seed)
    rows: list[Row] = []
    seen: set[str] = set()
    kinds: Counter[str] = Counter()
    while len(rows) < count:
        talk = dialogues.held_out(rng)
        kind = talk.combinations[-1].split("/")[0]
        key = json.dumps(talk.messages)
        if kinds[kind] == 3 or key in seen:
            continue
        kinds[kind] += 1
        seen.add(key)
        rows.append({"messages": talk.messages[:-1], "completion": talk.messages[-1]["content"]})
    return rows


def bench_prompts() -> list[Row]:
    """16 problems, half of each slice, and 8 dialogues, none of them in the other files."""
    rng = random.Random(SEED + 3)
    rows = problem_rows(rng, SEEN, 8) + problem_rows(rng, SHIFTED, 8)
    rng.shuffle(rows)
    out: list[Row] = [
        {"kind": "problem", "prompt": raw_prompt(str(row["question"]))} for row in rows
    ]
    for row in dialogue_rows(SEED + 4, 8):
        out.append({"kind": "dialogue", "prompt": render_prompt(row["messages"])})
    return out


def files() -> dict[str, str]:
    """File name to content."""
    content = {
        "word_problems.jsonl": word_problems(),
        "unseen_wording.jsonl": unseen_wording(),
        "dialogues.jsonl": [
            {"kind": "dialogue", "prompt": render_prompt(row["messages"]), **row}
            for row in dialogue_rows(SEED + 2, 100)
        ],
        "bench_prompts.jsonl": bench_prompts(),
    }
    return {
        name: "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows)
        for name, rows in content.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (args.out / name).write_text(text, encoding="ascii")
        print(f"{name}: {text.count(chr(10))} lines")


if __name__ == "__main__":
    main()
