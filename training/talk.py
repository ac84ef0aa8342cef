"""Builds one short dialogue from intents. Standard library only.

Held-out dialogues use held-out names, and their last user turn is a combination of clauses that
is reserved, so it occurs in no training dialogue.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pools
from story import SHIFTED, SLOTS, TRAIN


VERBATIM = ("talk_problem", "talk_repeat", "talk_greet", "talk_note")
OPENERS = ("Hi! ", "Hello! ", "Hey. ", "OK. ", "Hello Talon. ", "And now: ", "Next: ")


@dataclass
class Talk:
    """A dialogue under construction."""

    rng: random.Random
    held_out: bool
    messages: list[dict[str, str]] = field(default_factory=list)
    memory: dict[str, str] = field(default_factory=dict)
    notes: list[tuple[str, int, str]] = field(default_factory=list)
    combinations: list[str] = field(default_factory=list)
    reserved_last: bool = False

    @property
    def mode(self) -> str:
        return SHIFTED if self.held_out else TRAIN

    def name(self) -> str:
        pool = pools.SHIFTED if self.held_out else pools.TRAIN
        return pools.draw_person(self.rng, pool, set()).name

    def key(self, facts: dict[str, str]) -> tuple[str, str]:
        return self.rng.choice(list(facts.items()))

    def word(self, slot: str, **fields: object) -> str:
        """A user sentence; where it can, a held-out dialogue takes a reserved combination."""
        entry = SLOTS[slot]
        self.reserved_last = self.held_out and bool(entry.with_reserved)
        if self.reserved_last:
            text = self.rng.choice(self.rng.choice(entry.with_reserved).reserved)
        else:
            text = self.rng.choice(self.rng.choice(entry.patterns).train)
        self.combinations.append(f"{slot}/{text}")
        words = text.format_map(fields)
        words = words[:1].upper() + words[1:]
        if slot in VERBATIM:
            return words
        if self.rng.random() < 0.08:
            words = words.lower().rstrip(".!?")
        if self.rng.random() < 0.06:
            words = self.rng.choice(OPENERS) + words
        return words

    def exchange(self, user: str, answer: str) -> None:
        self.messages.append({"role": "user", "content": user})
        self.messages.append({"role": "assistant", "content": answer})

    def ask(self, slot: str, answer: str, **fields: object) -> None:
        self.exchange(self.word(slot, **fields), answer)


def article(word: str) -> str:
    return ("an " if word[0] in "aeiou" else "a ") + word


def sentence(text: str) -> str:
    """Capital first letter and a full stop where no mark ends the text."""
    text = text[:1].upper() + text[1:]
    return text if text[-1] in ".!?" else text + "."
