"""Short everyday dialogues: many wordings for the user, one plain answer per meaning.

The answers are functions of what was asked, so that a small model can be fluent and on topic.
Standard library only.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import intents
from intents import Intent, ask_note, bye, greet, note, thanks, word_problem
from talk import Talk

SINGLE: list[Intent] = [
    intents.how_are_you,
    intents.your_name,
    intents.what_can_you_do,
    intents.capital,
    intents.capital,
    intents.continent,
    intents.color,
    intents.color,
    intents.opposite,
    intents.opposite,
    intents.plural,
    intents.past,
    intents.animal,
    intents.animal,
    intents.animal,
    intents.day,
    intents.month,
    intents.clock,
    intents.small_sum,
    intents.count,
    intents.spell,
    intents.letter,
    intents.kind,
    intents.definition,
    intents.definition,
    intents.units,
    intents.translate,
    intents.can,
    intents.made_of,
    intents.job,
    intents.use,
    intents.bigger,
    intents.feeling,
    intents.feeling,
    intents.weather,
    intents.meal,
    intents.favorite,
    intents.joke,
    intents.tell_story,
    intents.tell_story,
    intents.poem,
    intents.repeat,
    intents.book_table,
    intents.book_table,
    intents.remind,
    intents.unknown,
    intents.praise,
    intents.blame,
]
MEMORY: list[tuple[Intent, Intent]] = [
    (intents.my_name, intents.ask_my_name),
    (intents.pet, intents.ask_pet),
    (intents.from_place, intents.ask_from),
]


def dialogue(rng: random.Random, held_out: bool = False, problem_share: float = 0.0) -> Talk:
    """One dialogue of one to six exchanges, ending with an assistant turn."""
    t = Talk(rng, held_out)
    if rng.random() < 0.25:
        greet(t)
    later: list[Intent] = []
    for tell, recall in MEMORY:
        if rng.random() < 0.15:
            tell(t)
            later.append(recall)
        elif rng.random() < 0.02:
            later.append(recall)
    for _ in range(rng.choice((0, 1, 1, 2, 3) if t.messages else (1, 1, 1, 2, 3))):
        if rng.random() < problem_share:
            word_problem(t)
        else:
            rng.choice(SINGLE)(t)
    if rng.random() < 0.08:
        note(t)
        later.append(ask_note)
    rng.shuffle(later)
    for recall in later:
        recall(t)
    if rng.random() < 0.15:
        rng.choice((thanks, bye, thanks))(t)
    return t


def long_dialogue(rng: random.Random, size: int, held_out: bool = False) -> Talk:
    """A dialogue of about `size` characters in which much earlier notes are asked for."""
    t = Talk(rng, held_out)
    while sum(len(m["content"]) + 20 for m in t.messages) < size:
        chance = rng.random()
        if chance < 0.15:
            note(t)
        elif chance < 0.4:
            ask_note(t)
        elif chance < 0.45:
            tell, recall = rng.choice(MEMORY)
            tell(t)
        elif chance < 0.5:
            rng.choice(MEMORY)[1](t)
        elif chance < 0.58:
            word_problem(t)
        else:
            rng.choice(SINGLE)(t)
    return t


def held_out(rng: random.Random) -> Talk:
    """A short held-out dialogue: its last user turn is a reserved combination."""
    while True:
        t = dialogue(rng, held_out=True)
        if t.reserved_last and len(t.messages) <= 8:
            return t


def stream(seed: int, problem_share: float) -> Iterator[Talk]:
    rng = random.Random(seed)
    while True:
        yield dialogue(rng, problem_share=problem_share)
