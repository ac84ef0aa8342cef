"""Names and nouns, in disjoint pools for training and for held-out problems."""

from __future__ import annotations

import random
from dataclasses import dataclass

TRAIN_FEMALE = (
    "Ana Beth Carla Dora Ella Fiona Grace Hana Ivy Julia Kate Lena Mia Nora Olga Paula Rosa Sara "
    "Tina Uma Vera Wendy Yara Zoe Amy Bella Clara Diana Emma Flora Gina Helen Irene Jane Karen "
    "Laura Mary Nancy Olive Petra Ruth Sofia Tara Ursula Viola Anita Bianca Cora Daisy Eva Freya "
    "Gloria Holly Ida Joan Kim Lucy Maya Nina Pam Rita Stella Thea Lily Alice Megan Susan Linda"
).split()
TRAIN_MALE = (
    "Adam Ben Carl David Eric Frank George Hugo Ivan Jack Kevin Leo Mark Noah Omar Paul Ray Sam "
    "Tom Victor Will Yusuf Zack Alan Bob Chris Dan Edgar Felix Gary Henry Ian James Karl Luke "
    "Max Neil Oscar Peter Rob Simon Theo Vince Walter Alex Brian Colin Derek Evan Fred Greg Harry "
    "Isaac John Kyle Liam Mike Nick Owen Phil Ralph Steve Tim Josh Andy Tony Martin Lars Milo"
).split()
EVAL_FEMALE = (
    "Matilda Priya Ingrid Camille Noemi Saskia Tamsin Bridget Leticia Winona Odette Marisol "
    "Annika Xenia Fatima Keiko Rowena Delphine Imogen Philippa"
).split()
EVAL_MALE = (
    "Bastian Cedric Dmitri Emilio Fergus Gideon Hamish Jerome Kofi Lorenzo Matteo Nikolai Orson "
    "Pascal Quentin Rafael Stefan Tobias Ulrich Wesley"
).split()
UNSEEN_FEMALE = "Zelda Margot Beatrix Chiara Dalia Esme Greta Honora".split()
UNSEEN_MALE = "Alvin Barnaby Clyde Desmond Ezra Floyd Gustav Horace".split()

# Plurals are regular unless written as singular/plural.
TRAIN_ITEMS = (
    "pen pencil book marble sticker card coin stamp apple pear orange banana lemon mango plum "
    "peach/peaches melon carrot potato/potatoes tomato/tomatoes onion egg cookie muffin cupcake "
    "donut sandwich/sandwiches candle ribbon button bead shell stone ring necklace hat "
    "scarf/scarves glove sock shirt jacket belt shoe plate cup bowl spoon fork mug vase lamp "
    "chair table pillow blanket towel basket bag balloon kite doll puzzle ball bat drum flute "
    "toy robot truck train boat rope nail screw brick tile plank rose tulip daisy/daisies fern "
    "seed plant tree map poster photo painting magazine notebook folder eraser ruler crayon "
    "marker brush/brushes battery/batteries cable key clock watch/watches bottle jar can ticket "
    "postcard letter envelope badge medal trophy/trophies token chip block pebble acorn walnut "
    "peanut berry/berries cherry/cherries grape cracker candy/candies lollipop pancake waffle "
    "bagel"
).split()
EVAL_ITEMS = (
    "lantern whistle teapot cushion magnet compass/compasses feather pumpkin turnip "
    "radish/radishes violin trumpet helmet bracelet pinecone scone pretzel domino/dominoes yoyo "
    "backpack stapler bookmark keychain tricycle saucer bonnet walkie-talkie snowglobe figurine "
    "thimble"
).split()
UNSEEN_ITEMS = "ukulele doorknob parasol chisel quilt canister zipper marionette".split()

TRAIN_CONTAINERS = (
    "box/boxes bag basket crate tray packet jar carton shelf/shelves drawer bin bucket case "
    "pack bundle stack"
).split()
EVAL_CONTAINERS = "hamper sack tub chest pouch/pouches locker".split()
UNSEEN_CONTAINERS = "barrel satchel trunk cabinet".split()

ONSETS = "b br c d dr f fl g gl h j k kl l m n p pl r s sk st t tr v w z".split()
VOWELS = "a e i o u ai ee oo".split()
CODAS = "b d g k l m n p r t x ck nd rt sk".split()


@dataclass(frozen=True)
class Person:
    """A name with its pronouns."""

    name: str
    female: bool

    @property
    def fields(self) -> dict[str, str]:
        he, his, him = ("she", "her", "her") if self.female else ("he", "his", "him")
        return {
            "A": self.name,
            "he": he,
            "his": his,
            "him": him,
            "He": he.capitalize(),
            "His": his.capitalize(),
        }


@dataclass(frozen=True)
class Noun:
    """A countable noun."""

    one: str
    many: str


def noun(entry: str) -> Noun:
    one, _, many = entry.partition("/")
    return Noun(one, many or one + "s")


@dataclass(frozen=True)
class Pool:
    """What one mode may draw from; `invented` is the share of made-up words."""

    female: tuple[str, ...]
    male: tuple[str, ...]
    items: tuple[Noun, ...]
    containers: tuple[Noun, ...]
    invented: float


def make_pool(
    people: tuple[list[str], list[str]], items: list[str], containers: list[str], invented: float
) -> Pool:
    return Pool(
        tuple(people[0]),
        tuple(people[1]),
        tuple(map(noun, items)),
        tuple(map(noun, containers)),
        invented,
    )


TRAIN = make_pool((TRAIN_FEMALE, TRAIN_MALE), TRAIN_ITEMS, TRAIN_CONTAINERS, 0.27)
SEEN = make_pool((EVAL_FEMALE, EVAL_MALE), TRAIN_ITEMS, TRAIN_CONTAINERS, 0.0)
SHIFTED = make_pool((EVAL_FEMALE, EVAL_MALE), EVAL_ITEMS, EVAL_CONTAINERS, 0.0)
UNSEEN = make_pool((UNSEEN_FEMALE, UNSEEN_MALE), UNSEEN_ITEMS, UNSEEN_CONTAINERS, 0.0)

HELD_OUT_NAMES = frozenset(EVAL_FEMALE + EVAL_MALE + UNSEEN_FEMALE + UNSEEN_MALE)
HELD_OUT_NOUNS = frozenset(
    word
    for entry in EVAL_ITEMS + UNSEEN_ITEMS + EVAL_CONTAINERS + UNSEEN_CONTAINERS
    for word in (noun(entry).one, noun(entry).many)
)


def invent(rng: random.Random, syllables: int) -> str:
    """A made-up word that is in no held-out pool."""
    while True:
        word = "".join(rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(syllables))
        word += rng.choice(CODAS)
        if word not in HELD_OUT_NOUNS and word.capitalize() not in HELD_OUT_NAMES:
            return word


def draw_person(rng: random.Random, pool: Pool, taken: set[str]) -> Person:
    """A person whose name is not taken."""
    while True:
        female = rng.random() < 0.5
        if rng.random() < pool.invented:
            name = invent(rng, rng.choice((1, 2, 2, 3))).capitalize()
        else:
            name = rng.choice(pool.female if female else pool.male)
        if name not in taken:
            taken.add(name)
            return Person(name, female)


def draw_noun(rng: random.Random, pool: Pool, nouns: tuple[Noun, ...], taken: set[str]) -> Noun:
    """A noun that is not taken, sometimes made up."""
    while True:
        if rng.random() < pool.invented:
            word = invent(rng, rng.choice((1, 2, 2, 3)))
            drawn = Noun(word, word + "s")
        else:
            drawn = rng.choice(nouns)
        if drawn.one not in taken:
            taken.add(drawn.one)
            return drawn
