"""Builds one word problem: sentences from slots, drawn numbers, worked steps.

Modes differ in what they may draw, so that held-out problems are disjoint by construction:

* train: training pools, training ranges, no reserved operand tuple, no reserved combination;
* seen_wording: held-out names, an operand tuple reserved by a hash, training combinations;
* shifted: held-out names and nouns, at least one operand above the training range (same digit
  count), at least one sentence whose combination of clauses is reserved;
* unseen_wording: every sentence from wordings that no other mode uses.
"""

from __future__ import annotations

import random
import re
import zlib
from dataclasses import dataclass, field
from itertools import product

import pools

TRAIN, SEEN, SHIFTED, UNSEEN = "train", "seen_wording", "shifted", "unseen_wording"
POOLS = {
    TRAIN: pools.TRAIN,
    SEEN: pools.SEEN,
    SHIFTED: pools.SHIFTED,
    UNSEEN: pools.UNSEEN,
}
COMBINATION_SHARE = 8  # one in so many combinations is reserved
OPERAND_SHARE = 10  # one in so many operand tuples is reserved
# kind: (lowest, highest in training, highest when shifted); the digit count is the same throughout
RANGES = {
    "small": (2, 9, 9),
    "mid": (10, 79, 99),
    "big": (100, 799, 999),
}
GROUP = re.compile(r"\[([^\]]*)\]")


class Rejected(Exception):
    """The drawn numbers do not fit the family or the mode; draw again."""


def is_reserved(text: str, share: int) -> bool:
    return zlib.crc32(text.encode()) % share == 0


@dataclass(frozen=True)
class Pattern:
    """One sentence form with all its combinations, split into training and reserved ones."""

    train: tuple[str, ...]
    reserved: tuple[str, ...]
    choices: tuple[tuple[str, ...], ...]  # the clauses of each group, fixed text included


def expand(slot: str, text: str) -> Pattern:
    """Expands the [a|b] groups. With two groups or more, one combination in eight is reserved."""
    pieces = GROUP.split(text)
    choices = tuple(
        tuple(piece.split("|")) if i % 2 else (piece,) for i, piece in enumerate(pieces)
    )
    groups = sum(1 for choice in choices if len(choice) > 1)
    combinations = ["".join(parts) for parts in product(*choices)]
    held = {c for c in combinations if groups > 1 and is_reserved(f"{slot}/{c}", COMBINATION_SHARE)}
    kept = [parts for parts in product(*choices) if "".join(parts) not in held]
    for i, choice in enumerate(choices):  # every clause must stay in training
        if {parts[i] for parts in kept} != set(choice):
            held = set()
    train = tuple(c for c in combinations if c not in held)
    return Pattern(train, tuple(c for c in combinations if c in held), choices)


@dataclass(frozen=True)
class Slot:
    """A sentence's wordings: those of training and the held-out ones."""

    patterns: tuple[Pattern, ...]
    with_reserved: tuple[Pattern, ...]
    unseen: tuple[str, ...]


SLOTS: dict[str, Slot] = {}


def define(name: str, *patterns: str, unseen: tuple[str, ...] = ()) -> None:
    """Registers a slot; at least ten training wordings are required."""
    expanded = tuple(expand(name, text) for text in patterns)
    assert sum(len(p.train) for p in expanded) >= 10, name
    assert name not in SLOTS, name
    SLOTS[name] = Slot(expanded, tuple(p for p in expanded if p.reserved), unseen)


@dataclass
class Story:
    """The problem under construction. `say` adds a sentence, `num` draws, `add` etc. compute."""

    rng: random.Random
    mode: str
    sentences: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    operands: list[int] = field(default_factory=list)
    combinations: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    num_shifted: int = 0
    num_reserved: int = 0
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def pool(self) -> pools.Pool:
        return POOLS[self.mode]

    def person(self) -> str:
        """A further person's name; the first one fills {A} and the pronouns."""
        person = pools.draw_person(self.rng, self.pool, self.taken)
        if "A" not in self.fields:
            self.fields |= person.fields
        return person.name

    def item(self) -> pools.Noun:
        """A further noun; the first one fills {items} and {one}."""
        drawn = pools.draw_noun(self.rng, self.pool, self.pool.items, self.taken)
        if "items" not in self.fields:
            self.fields |= {"items": drawn.many, "one": drawn.one}
        return drawn

    def container(self) -> pools.Noun:
        drawn = pools.draw_noun(self.rng, self.pool, self.pool.containers, self.taken)
        self.fields |= {"boxes": drawn.many, "box": drawn.one}
        return drawn

    def num(self, kind: str = "any") -> int:
        """Draws an operand: small (1 digit), mid (2), big (3), any of them, or a multiple."""
        if kind == "any":
            kind = self.rng.choice(("small", "mid", "mid", "mid", "big"))
        elif kind == "wide":
            kind = self.rng.choice(("mid", "mid", "big"))
        elif kind == "factor":
            kind = self.rng.choice(("small", "mid"))
        low, top, shifted_top = RANGES[kind]
        if self.mode == SHIFTED and shifted_top > top and self.rng.random() < 0.7:
            value = self.rng.randint(top + 1, shifted_top)
            self.num_shifted += 1
        else:
            value = self.rng.randint(low, top)
        self.operands.append(value)
        return value

    def pick(self, values: list[int] | range) -> int:
        """Draws an operand from a list that is the same in every mode."""
        value = self.rng.choice(values)
        self.operands.append(value)
        return value

    def say(self, slot: str, **fields: object) -> None:
        """Adds a sentence of the slot, worded as the mode allows."""
        self.sentences.append(self.word(slot, **fields))

    def word(self, slot: str, **fields: object) -> str:
        entry = SLOTS[slot]
        if self.mode == UNSEEN:
            text = self.rng.choice(entry.unseen)
        elif self.mode == SHIFTED and entry.with_reserved and self.rng.random() < 0.5:
            text = self.rng.choice(self.rng.choice(entry.with_reserved).reserved)
            self.num_reserved += 1
        else:
            text = self.rng.choice(self.rng.choice(entry.patterns).train)
        self.combinations.append(f"{slot}/{text}")
        return text.format_map({**self.fields, **fields})

    def shuffle_last(self, count: int) -> None:
        """Shuffles the last sentences, which must not depend on their order."""
        tail = self.sentences[-count:]
        self.rng.shuffle(tail)
        self.sentences[-count:] = tail

    def step(self, label: str, expression: str, value: int) -> int:
        self.steps.append(f"{label}: {marked(expression, value)}")
        return value

    def add(self, label: str, a: int, b: int) -> int:
        return self.step(label, f"{a}+{b}", a + b)

    def sub(self, label: str, a: int, b: int) -> int:
        if b >= a:
            raise Rejected
        return self.step(label, f"{a}-{b}", a - b)

    def div(self, label: str, a: int, b: int) -> int:
        if a % b or b > a:
            raise Rejected
        return self.step(label, f"{a}/{b}", a // b)

    def mul(self, label: str, a: int, b: int) -> int:
        """A product, split by one rule whatever the family (see `product_parts`)."""
        self.steps.append(f"{label}: {product_text(a, b)}")
        return a * b

    def total(self, label: str, values: list[int]) -> int:
        """A sum, two numbers at a time."""
        result = values[0]
        for value in values[1:]:
            result = self.add(label, result, value)
        return result


def marked(expression: str, value: int) -> str:
    return f"{expression} = <<{expression}={value}>>{value}"


def leading_part(n: int) -> int:
    """The number with all digits but the first set to 0."""
    return int(str(n)[0]) * 10 ** (len(str(n)) - 1)


def product_text(a: int, b: int) -> str:
    """A worked product.

    One factor of one digit: a two-digit other factor is multiplied at once, a longer one in two
    parts, its leading place and the rest. Otherwise the second factor is split so. Factors with a
    single non-zero digit are never split.
    """
    short_a, short_b = a == leading_part(a), b == leading_part(b)
    if short_b and (short_a or a < 100):
        return marked(f"{a}*{b}", a * b)
    if short_a and b < 100:
        return marked(f"{a}*{b}", a * b)
    if short_b or (not short_a and len(str(a)) > len(str(b))):
        high, low = leading_part(a), a - leading_part(a)
        first, second = f"{high}*{b}", f"{low}*{b}"
        x, y = high * b, low * b
    else:
        high, low = leading_part(b), b - leading_part(b)
        first, second = f"{a}*{high}", f"{a}*{low}"
        x, y = a * high, a * low
    return ", ".join([marked(first, x), marked(second, y), marked(f"{x}+{y}", x + y)])
