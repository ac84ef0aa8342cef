"""Training documents as weighted text segments, and what may be used of the public corpora.

A segment is (text, weight): the loss weight of its tokens. Answers and assistant turns weigh 1.
"""

from __future__ import annotations

import json
import lzma
import random
from collections.abc import Iterator
from pathlib import Path

import chat_format
import dialogues
import problems
from chat_format import END, THINK, THINK_END, generation_prompt, raw_prompt, render_turn
from story import TRAIN

Segment = tuple[str, float]
Document = list[Segment]
QUESTION_WEIGHT = 0.1
USER_WEIGHT = 0.2
SYSTEM_LINES = (
    "You are a helpful assistant.",
    "Answer briefly.",
    "You solve word problems step by step.",
    "You are Talon, a small and friendly model.",
)


def raw_document(question: str, answer: str) -> Document:
    return [(raw_prompt(question), QUESTION_WEIGHT), (f" {answer}{END}", 1.0)]


def chat_document(
    messages: list[dict[str, str]], rng: random.Random, user_weight: float = USER_WEIGHT
) -> Document:
    """A dialogue; a few open with a system message or with the thinking switch off."""
    start = chat_format.START
    if rng.random() < 0.12:
        start += render_turn("system", rng.choice(SYSTEM_LINES))
    mode = "disabled" if rng.random() < 0.06 else None
    out: Document = [(start, 0.0)]
    for index, message in enumerate(messages):
        if message["role"] == "user":
            out.append((render_turn("user", message["content"]), user_weight))
        else:
            last = index == len(messages) - 1
            out.append((generation_prompt(mode if last else None), 0.0))
            out.append((message["content"] + END, 1.0))
            out.append(("\n", 0.0))
    return out


def thinking_document(question: str, answer: str) -> Document:
    """A problem with its steps as reasoning and the result as visible text."""
    steps, _, result = answer.rpartition("\n#### ")
    prompt = chat_format.START + render_turn("user", question) + generation_prompt("enabled")
    visible = f"{steps}{THINK_END}The answer is {result}.\n#### {result}{END}"
    assert prompt.endswith(THINK)
    return [(prompt, 0.0), (visible, 1.0)]


def dialogue_document(rng: random.Random) -> Document:
    return chat_document(dialogues.dialogue(rng, problem_share=0.04).messages, rng)


def problem_document(rng: random.Random) -> Document:
    problem = problems.draw(rng, TRAIN)
    form = rng.random()
    if form < 0.68:
        return raw_document(problem.question, problem.answer)
    if form < 0.73:
        return thinking_document(problem.question, problem.answer)
    user = problem.question
    if rng.random() < 0.25:
        user = rng.choice(("Solve this: ", "Please solve this: ", "Can you solve this? ")) + user
    messages = [
        {"role": "user", "content": user},
        {"role": "assistant", "content": problem.answer},
    ]
    return chat_document(messages, rng, QUESTION_WEIGHT)


def drill_document(rng: random.Random) -> Document:
    question, answer = problems.drill(rng)
    if rng.random() < 0.8:
        return raw_document(question, answer)
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer},
    ]
    return chat_document(messages, rng, QUESTION_WEIGHT)


def few_shot_document(rng: random.Random, mode: str, size: int) -> Document:
    """Solved problems up to about `size` characters, parted by blank lines."""
    out: Document = []
    used = 0
    while used < size:
        problem = problems.draw(rng, mode)
        separator = "\n\n" if out else ""
        out.append((separator, 0.0))
        out.append((raw_prompt(problem.question), QUESTION_WEIGHT))
        out.append((f" {problem.answer}", 1.0))
        used += len(problem.question) + len(problem.answer) + 20
    out.append((END, 1.0))
    return out


def long_document(rng: random.Random, mode: str = TRAIN, size: int = 6500) -> Document:
    """A document of 1 to 2 thousand tokens: few-shot problems or a long dialogue with notes."""
    if rng.random() < 0.4:
        return few_shot_document(rng, mode, size)
    talk = dialogues.long_dialogue(rng, size, held_out=mode != TRAIN)
    return chat_document(talk.messages, rng)


def prompt_of(document: Document) -> str:
    """The text in front of the last answer."""
    last = max(i for i, (_, weight) in enumerate(document) if weight == 1.0)
    return "".join(text for text, _ in document[:last])


def read_lines(path: Path) -> Iterator[dict]:
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def task_dialogues(folder: Path) -> list[list[dict[str, str]]]:
    """The first turns of each task dialogue, short enough for a row."""
    out = []
    for row in read_lines(folder / "task_dialogues.jsonl.xz"):
        messages, used = [], 0
        for message in row["messages"]:
            used += len(message["content"]) + 20
            if used > 1300:
                break
            messages.append(message)
        while messages and messages[-1]["role"] != "assistant":
            messages.pop()
        if messages and messages[0]["role"] == "user":
            out.append(messages)
    return out


def gsm8k_questions(path: Path) -> list[str]:
    """Questions of the training file only; the answers are not used."""
    assert "test" not in path.name
    return [row["question"] for row in read_lines(path)]


class Mixture:
    """Draws documents; the public texts take part in the first phase only."""

    def __init__(self, rng: random.Random, corpora: Path | None, gsm8k: Path | None) -> None:
        self.rng = rng
        self.tasks = task_dialogues(corpora) if corpora else []
        self.questions = gsm8k_questions(gsm8k) if gsm8k else []

    def draw(self, with_public: bool) -> Document:
        rng = self.rng
        chance = rng.random()
        if with_public and chance < 0.08:
            if chance < 0.06 and self.tasks:
                return chat_document(rng.choice(self.tasks), rng)
            if self.questions:
                return [(raw_prompt(rng.choice(self.questions)), QUESTION_WEIGHT)]
        chance = rng.random()
        if chance < 0.54:
            return problem_document(rng)
        if chance < 0.62:
            return drill_document(rng)
        return dialogue_document(rng)


def tokenizer_texts(corpora: Path, seed: int) -> Iterator[str]:
    """What the tokenizer is trained on: the training mix without control tokens."""
    rng = random.Random(seed)
    for _ in range(30000):
        problem = problems.draw(rng, TRAIN)
        yield f"{raw_prompt(problem.question)} {problem.answer}"
    for _ in range(30000):
        for message in dialogues.dialogue(rng).messages:
            yield message["content"]
    for messages in task_dialogues(corpora)[::3]:
        for message in messages:
            yield message["content"]
