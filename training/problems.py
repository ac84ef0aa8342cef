"""Word problems in GSM8K's form. Standard library only.

`draw(rng, mode)` makes one problem; `story.py` says what the modes hold out. A problem is a list of
sentences and a question; the answer has one worked step a line and ends with `#### n`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import families_basic
import families_measure
import families_money
import slots_extra  # noqa: F401  registers the wordings
from story import OPERAND_SHARE, SEEN, SHIFTED, TRAIN, Rejected, Story, is_reserved, product_text

Family = Callable[[Story], int]
FAMILIES: list[Family] = (
    families_basic.FAMILIES + families_money.FAMILIES + families_measure.FAMILIES
)
ASIDE_BARRED = ("ages", "temperature", "hours_to_minutes")  # a stray number would be ambiguous


@dataclass(frozen=True)
class Problem:
    """A finished problem with what the exclusion tests need to know about it."""

    question: str
    answer: str
    family: str
    operands: tuple[int, ...]
    combinations: tuple[str, ...]
    words: frozenset[str]

    def row(self, slice_name: str) -> dict[str, str]:
        return {
            "question": self.question,
            "answer": self.answer,
            "slice": slice_name,
            "family": self.family,
        }


def add_asides(s: Story, family: str) -> None:
    """Sometimes a setting in front and, sparingly, a sentence that is not needed."""
    if s.rng.random() < 0.15:
        s.say("setting")
        s.sentences.insert(0, s.sentences.pop())
    if s.rng.random() < 0.08:
        numeric = s.rng.random() < 0.3 and family not in ASIDE_BARRED
        if numeric:
            s.say("number_aside", n=s.rng.randint(2, 99))
        else:
            s.say("aside")
        aside = s.sentences.pop()
        s.sentences.insert(s.rng.randint(1, len(s.sentences) - 1), aside)


def admissible(s: Story, family: str) -> bool:
    """Whether the mode may use these operands and combinations."""
    reserved = is_reserved(f"{family}/{s.operands}", OPERAND_SHARE)
    if s.mode == TRAIN:
        return not reserved
    if s.mode == SEEN:
        return reserved
    if s.mode == SHIFTED:
        return s.num_shifted > 0 and s.num_reserved > 0
    return True


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def make(rng: random.Random, mode: str, family: Family) -> Problem:
    """One problem of the family; draws until the numbers fit and the mode admits them."""
    name = family.__name__
    while True:
        s = Story(rng, mode)
        try:
            result = family(s)
        except Rejected:
            continue
        if not 0 < result < 100000 or not admissible(s, name):
            continue
        if len(s.sentences) > 1:
            add_asides(s, name)
        question = " ".join(map(capital, s.sentences))
        answer = "\n".join([*s.steps, f"#### {result}"])
        return Problem(
            question,
            answer,
            name,
            tuple(s.operands),
            tuple(s.combinations),
            frozenset(s.taken),
        )


def draw(rng: random.Random, mode: str) -> Problem:
    return make(rng, mode, rng.choice(FAMILIES))


def stream(seed: int, mode: str) -> Iterator[Problem]:
    rng = random.Random(seed)
    while True:
        yield draw(rng, mode)


def drill(rng: random.Random) -> tuple[str, str]:
    """A bare exercise as question and answer."""
    kind = rng.choice("+-*/*/")
    if kind == "+":
        a, b = (rng.randrange(10 ** rng.randint(1, 4)) for _ in range(2))
        expression, value = f"{a}+{b}", a + b
    elif kind == "-":
        a, b = (rng.randrange(10 ** rng.randint(1, 4)) for _ in range(2))
        a, b = max(a, b), min(a, b)
        if rng.random() < 0.25:  # close numbers, whose leading digits cancel
            b = max(0, a - rng.randrange(10 ** rng.randint(1, 2)))
        expression, value = f"{a}-{b}", a - b
    elif kind == "*":
        a, b = (rng.randint(1, 99) for _ in range(2))
        if rng.random() < 0.3:
            a, b = rng.randint(2, 9), rng.randint(100, 999)
        if rng.random() < 0.5:
            a, b = b, a
        expression, value = f"{a}*{b}", a * b
    else:
        b = rng.choice([*range(2, 10), *range(2, 10), 10, 11, 12, 15, 20, 25])
        value = rng.randint(1, rng.choice((99, 99, 999)) if b < 10 else 99)
        if rng.random() < 0.2:
            b, value = rng.randint(10, 99), rng.randint(2, 9)
        expression = f"{b * value}/{b}"
    if kind == "*":
        work = product_text(a, b)
    else:
        work = f"{expression} = <<{expression}={value}>>{value}"
    asks = ("What is {e}?", "Calculate {e}.", "{e} = ?", "Work out {e}.", "How much is {e}?")
    return rng.choice(asks).format(e=expression), f"{work}\n#### {value}"
