"""Wordings of the sentences about owning, getting, losing, comparing and grouping things."""

from __future__ import annotations

from story import define

define(
    "has",
    "{A} [has|owns|keeps|holds] {n} {items}[| at home| in a box| on a shelf| in a bag].",
    "[At the start|To begin with|In the beginning|At first], {A} [has|owns|holds] {n} {items}.",
    "There are {n} {items} in {A}'s [bag|box|room|basket|drawer].",
    "{A} [starts|begins] with {n} {items}[| on Monday| that day].",
    "{A}'s [collection|pile|stock|box] [holds|has|contains] {n} {items}.",
    unseen=("{n} {items} belong to {A}.", "You will find {n} {items} at {A}'s place."),
)
define(
    "gains",
    "[Then |Later, |After that, |The next day, ]{he} [buys|finds|gets|collects|receives] {n} "
    "[more|extra] {items}.",
    "[A friend|{His} aunt|{His} brother|A neighbor|{His} teacher] [gives|brings|sends] {him} {n} "
    "[more|extra|new] {items}.",
    "{A} [buys|gets|finds|receives] {n} [more|new|extra] {items}[| in town| at the market].",
    "[Then |Later, ]{n} [more|extra|new] {items} are added to {his} [pile|collection|box].",
    unseen=(
        "{His} stock grows by {n} {items} that week.",
        "An order of {n} {items} arrives for {A}.",
    ),
)
define(
    "loses",
    "[Then |Later, |After that, ]{he} [gives away|sells|loses|donates|throws out|uses up] {n} "
    "[of them|{items}|of the {items}].",
    "{A} [gives|hands|sends|lends] {n} {items} to [a friend|{his} sister|a neighbor|the school].",
    "[A friend|{His} brother|A neighbor] [takes|borrows|buys] {n} of {his} {items}.",
    "{n} of the {items} [get lost|break|are sold|are given away][| that day| later].",
    unseen=("{He} parts with {n} {items}.", "Soon {n} {items} are missing."),
)
define(
    "ask_now",
    "How many {items} does {A} have [now|left|in the end|after that|at the end]?",
    "[In the end|After all this|Now], how many {items} does {A} [have|own|hold]?",
    "[Find|Work out|Calculate] the number of {items} that {A} [has now|has in the end|ends up "
    "with].",
    "What number of {items} does {A} [have now|have in the end|end up with]?",
    unseen=(
        "State how big {A}'s stock of {items} is at the close.",
        "Count the {items} that {A} is holding when everything is done.",
    ),
)
define(
    "ask_first",
    "How many {items} did {A} have [at first|at the start|in the beginning|before that]?",
    "[In the beginning|At the start|At first], how many {items} did {A} [have|own|hold]?",
    "[Find|Work out] the number of {items} that {A} [had at first|started with|had before].",
    "With how many {items} did {A} [start|begin]?",
    unseen=("What was {A}'s original count of {items}?", "Recover {A}'s opening stock of {items}."),
)
define(
    "had_unknown",
    "{A} had some {items}[| at home| in a box| on a shelf].",
    "[At first|At the start|To begin with], {A} had [some|a number of|a few] {items}.",
    "[Some|A number of] {items} were in {A}'s [bag|box|room|drawer].",
    "{A} [started|began] with [some|a number of] {items}.",
    unseen=("An unknown count of {items} belonged to {A}.", "{A} owned a pile of {items}."),
)
define(
    "gave_past",
    "[Then |Later, |After that, ]{he} [gave away|sold|lost|donated] {n} [of them|{items}].",
    "{A} [gave|sent|handed] {n} {items} to [a friend|{his} sister|a neighbor].",
    "{n} of [them|the {items}] [got lost|broke|were sold|were given away].",
    unseen=("{He} parted with {n} {items}.", "Before long, {n} {items} had vanished."),
)
define(
    "got_past",
    "[Then |Later, |After that, ]{he} [bought|found|got|received] {n} [more|extra] {items}.",
    "[A friend|{His} aunt|A neighbor] [gave|brought|sent] {him} {n} [more|extra|new] {items}.",
    "{n} [more|extra|new] {items} were added[| later| after that].",
    unseen=("{His} stock grew by {n} {items}.", "A delivery of {n} {items} came for {A}."),
)
define(
    "left_past",
    "[Now|In the end|After that] {A} has {n} {items}[| left].",
    "{A} [now has|ended up with|was left with] {n} {items}.",
    "{n} {items} are [left|there now|in {his} box now][| in the end].",
    unseen=("The final count for {A} is {n} {items}.", "That leaves {A} holding {n} {items}."),
)
define(
    "more_than",
    "{X} [has|owns|holds] {n} more {items} than {Y}[| does| has].",
    "{X}'s [pile|collection|box] [has|holds] {n} more {items} than {Y}'s.",
    "[Compared with|Compared to] {Y}, {X} [has|owns|holds] {n} more {items}.",
    "{X} [has|holds|owns] {n} {items} more than {Y}.",
    unseen=("{X} is ahead of {Y} by {n} {items}.", "{Y} trails {X} by {n} {items}."),
)
define(
    "fewer_than",
    "{X} [has|owns|holds] {n} fewer {items} than {Y}[| does| has].",
    "{X}'s [pile|collection|box] [has|holds] {n} fewer {items} than {Y}'s.",
    "[Compared with|Compared to] {Y}, {X} [has|owns|holds] {n} fewer {items}.",
    "{X} [has|holds|owns] {n} {items} fewer than {Y}.",
    unseen=("{X} is behind {Y} by {n} {items}.", "{X} falls short of {Y}'s count by {n} {items}."),
)
define(
    "times_as",
    "{X} [has|owns|holds] {times} as many {items} as {Y}[| does| has].",
    "{X}'s [pile|collection|box] [has|holds] {times} as many {items} as {Y}'s.",
    "[Compared with|Compared to] {Y}, {X} [has|owns|holds] {times} as many {items}.",
    "The number of {items} {X} [has|owns|holds] is {times} the number {Y} [has|owns].",
    unseen=("Take {Y}'s {items} {times} over and you reach {X}'s count.",),
)
define(
    "half_as",
    "{X} [has|owns|holds] half as many {items} as {Y}[| does| has].",
    "{X}'s [pile|collection|box] [has|holds] half as many {items} as {Y}'s.",
    "[Compared with|Compared to] {Y}, {X} [has|owns|holds] half as many {items}.",
    "The number of {items} {X} [has|owns] is half [of the|the] number {Y} [has|owns].",
    unseen=("Halving {Y}'s {items} gives {X}'s count.",),
)
define(
    "other_has",
    "{X} [has|owns|keeps|holds] {n} {items}[| at home| in a box| on a shelf].",
    "There are {n} {items} in {X}'s [bag|box|room|basket|drawer].",
    "{X}'s [collection|pile|box] [holds|has|contains] {n} {items}.",
    unseen=("{n} {items} belong to {X}.", "You will find {n} {items} at {X}'s place."),
)
define(
    "ask_total_people",
    "How many {items} do {who} have [in total|altogether|together|in all]?",
    "[In total|Altogether|Together], how many {items} do {who} [have|own|hold]?",
    "What is the [total|whole] number of {items} that {who} [have|own|hold]?",
    "[Find|Work out] how many {items} {who} [have|own|hold] [in total|together].",
    unseen=(
        "If {who} pool their {items}, what is the size of the pool?",
        "Give the combined count of {items} for {who}.",
    ),
)
define(
    "ask_person",
    "How many {items} does {X} [have|own|hold]?",
    "What is the number of {items} that {X} [has|owns|holds]?",
    "[Find|Work out|Calculate] the number of {items} {X} [has|owns|holds].",
    "[Find|Work out] how many {items} {X} [has|owns].",
    unseen=("Give {X}'s count of {items}.", "What is the size of {X}'s pile of {items}?"),
)
define(
    "ask_difference",
    "How many more {items} does {X} have than {Y}[| in the end| now]?",
    "By how many {items} [does {X} beat {Y}|is {X}'s count larger than {Y}'s]?",
    "What is the difference between {X}'s and {Y}'s [number|count] of {items}[| now]?",
    "[Find|Work out|Calculate] how many more {items} {X} has than {Y}[| in the end].",
    unseen=("How far is {X} ahead of {Y} in {items}?", "State {X}'s lead over {Y} in {items}."),
)
define(
    "groups",
    "{A} has {n} {boxes} [with|of] {m} {items} [each|in each].",
    "{A} [buys|gets|fills|packs] {n} {boxes}, [each with|each holding|and each has] {m} {items}.",
    "There are {n} {boxes} [on the floor|in the room|in the shop|at home], [each with|each "
    "holding] {m} {items}.",
    "[Each|Every one] of {A}'s {n} {boxes} [has|holds|contains] {m} {items}.",
    "{A} [puts|packs] {m} {items} [in|into] each of {n} {boxes}.",
    unseen=("A set of {n} {boxes} stores {m} {items} apiece for {A}.",),
)
define(
    "loose",
    "{A} also has {n} [loose|single|extra] {items}[| at home| on the table].",
    "[There are|Besides, there are] also {n} [loose|single|extra] {items}.",
    "[Another|A further] {n} {items} [lie|are] on the [table|floor|desk].",
    unseen=("On top of that come {n} unpacked {items}.",),
)
define(
    "ask_total",
    "How many {items} are there [in total|altogether|in all]?",
    "[In total|Altogether], how many {items} [are there|does {A} have]?",
    "What is the total number of {items}[| in the end| that {A} has]?",
    "[Find|Work out|Calculate] the [total|whole] number of {items}.",
    unseen=("Give the full tally of {items}.", "What does the overall count of {items} come to?"),
)
define(
    "pack_into",
    "{A} [packs|puts|sorts] {n} {items} into {boxes} of {m}[| each].",
    "{A} has {n} {items} and [packs|puts] {m} [of them |]into each {box}.",
    "{n} {items} are [packed|put|placed] into {boxes}, {m} [to a|in each|in every] {box}.",
    "[Each|Every] {box} [holds|takes] {m} {items}, and {A} [has|must pack] {n} {items}.",
    unseen=("With {m} {items} to a {box}, {A} stows away {n} {items}.",),
)
define(
    "ask_boxes",
    "How many {boxes} [does {A} need|does {A} fill|are needed|are filled]?",
    "What number of {boxes} [does {A} need|does {A} fill|is needed]?",
    "[Find|Work out|Calculate] the number of {boxes} [needed|filled|that {A} needs].",
    unseen=("State the required count of {boxes}.", "The {items} take up what count of {boxes}?"),
)
define(
    "repack",
    "[Then |Later, |After that, ]{he} [packs|puts|sorts] all the {items} into {bags} of "
    "{m}[| each].",
    "All [of them|the {items}] are [then |]put into {bags}, {m} [in each|in every] {bag}.",
    "{A} [moves|repacks] all the {items} into {bags} [with|of] {m} [each|{items} each].",
    unseen=("Everything then goes into {bags} holding {m} apiece.",),
)
define(
    "share",
    "{A} [shares|splits|divides] [them|the {items}] [equally|evenly] among {n} {people}.",
    "[They|The {items}] are [shared|split|divided] [equally|evenly] among {n} {people}.",
    "{n} {people} [share|split|divide] [them|the {items}] [equally|evenly].",
    unseen=("Each of {n} {people} takes the same portion of the {items}.",),
)
define(
    "share_rest",
    "{A} [shares|splits|divides] the [rest|remaining {items}|other {items}] [equally|evenly] among "
    "{n} {people}.",
    "The [rest|remaining {items}|other {items}] are [shared|split|divided] [equally|evenly] among "
    "{n} {people}.",
    "{n} {people} [share|split] the [rest|remaining {items}] [equally|evenly].",
    unseen=("What remains goes in equal portions to {n} {people}.",),
)
define(
    "ask_each",
    "How many {items} does each [{person}|of them|one of them] get?",
    "How many {items} [does each {person} receive|does every {person} get|go to each {person}]?",
    "[Find|Work out|Calculate] the number of {items} for each {person}.",
    "What is [the number of {items} per {person}|each {person}'s share of the {items}]?",
    unseen=("State the portion of {items} that a single {person} takes.",),
)
define(
    "gives_each",
    "[Then |Later, |After that, ]{he} gives {m} {items} to each of {n} {people}.",
    "[Each|Every one] of {n} {people} [gets|receives|takes] {m} {items}[| from {A}].",
    "{A} [gives|hands out|sends] {m} {items} [each |]to {n} {people}[, {m} per person|].",
    "{n} {people} [get|receive|take] {m} {items} each[| from {A}].",
    unseen=("{m} {items} apiece go from {A} to {n} {people}.",),
)
