"""Sentences that carry nothing needed: settings and distractors."""

from __future__ import annotations

from story import define

define(
    "setting",
    "It is [a sunny|a rainy|a cold|a quiet|a busy] [day|morning|afternoon].",
    "{A} [lives|works] in a [small|big|quiet|lively] [town|city|village].",
    "{A} [likes|loves] [music|sports|stories|summer|animals].",
    "It is [Monday|Friday|Sunday|the weekend|the first day of spring].",
    unseen=("Clouds drift over the hills.",),
)
define(
    "aside",
    "{His} [brother|sister|friend|cousin] [likes|loves] [tea|winter|the sea|dancing].",
    "[The weather|The sky|The street|The house] is [nice|quiet|lovely] [today|there].",
    "{A} [smiles|is happy|is in a good mood|hums a song].",
    unseen=("A dog barks somewhere.",),
)
define(
    "number_aside",
    "{A} [lives|works] at house number {n}.",
    "{His} [brother|sister|cousin|uncle] is {n} years old.",
    "The [radio|clock|news] says it is {n} degrees [outside|today].",
    "{A} has been [there|in town|awake] for {n} [hours|minutes].",
    unseen=("The number {n} is on the door.",),
)
