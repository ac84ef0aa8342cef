"""Stories and poems of fixed shapes; which shape is taken depends on the subject alone."""

from __future__ import annotations

import zlib

from dialogue_facts import ANIMALS, COLORS

MOODS = ("little", "young", "shy", "brave", "clever", "friendly")
WISHES = (
    ("was lost", "looked for the way home", "found it before night"),
    ("was hungry", "looked for {food}", "found some and was happy"),
    ("was lonely", "looked for a friend", "made a good friend"),
    ("wanted to see the sea", "walked for three days", "saw the blue water at last"),
    ("heard a strange sound", "went to look for it", "found a small bird and helped it"),
)


def pick(options: tuple, key: str) -> object:
    return options[zlib.crc32(key.encode()) % len(options)]


def story_about(first: str, second: str | None) -> str:
    """Five short sentences about one or two animals."""
    _, home, food, _, _ = ANIMALS[first]
    mood = pick(MOODS, first)
    start, search, end = pick(WISHES, first + "story")
    opening = f"Once upon a time there was a {mood} {first}. The {first} lived {home}."
    middle = f"One day the {first} {start} and {search.format(food=food)}."
    if second is None:
        return f"{opening} {middle} In the end the {first} {end}. The end."
    return (
        f"{opening} {middle} On the way the {first} met a {pick(MOODS, second)} {second}. "
        f"Together the {first} and the {second} were not afraid. In the end they went home and "
        "stayed friends. The end."
    )


RHYMES = (
    ("I think of {x} every day,", "and then I smile and want to play."),
    ("When I see {x} in the light,", "I keep it in my heart at night."),
    ("Oh {x}, you are so dear to me,", "as lovely as a thing can be."),
)
CLOSINGS = (
    ("The wind is soft, the day is new,", "and all the world is fresh with dew."),
    ("The stars come out, the moon is bright,", "and I will say to you: good night."),
)


def poem_about(name: str) -> str:
    """Four lines about a thing or an animal."""
    first, second = pick(RHYMES, name)
    third, fourth = pick(CLOSINGS, name)
    if name in COLORS:
        third = f"So {COLORS[name]} and so good to see,"
        fourth = "it brings a happy song to me."
    return "\n".join((first.format(x=name), second, third, fourth))
