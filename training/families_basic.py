"""Families about owning, comparing, grouping and sharing things. Each returns the answer."""

from __future__ import annotations

import slots_basic  # noqa: F401  registers the wordings
from story import Rejected, Story


def times_word(factor: int) -> str:
    return "twice" if factor == 2 else f"{factor} times"


def listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1]


def changes(s: Story, kinds: str) -> int:
    """{A} has some, then gains (+) and losses (-) in the given order."""
    name, items = s.person(), s.item().many
    value = s.num()
    s.say("has", n=value)
    for kind in kinds:
        n = s.num()
        s.say("gains" if kind == "+" else "loses", n=n)
        if kind == "+":
            value = s.add(f"{name} has {value} {items} and gets {n} more", value, n)
        else:
            value = s.sub(f"{name} has {value} {items} and {n} go away", value, n)
    s.say("ask_now")
    return value


def gain(s: Story) -> int:
    return changes(s, s.rng.choice(("+", "++")))


def lose(s: Story) -> int:
    return changes(s, s.rng.choice(("-", "--")))


def gain_and_lose(s: Story) -> int:
    return changes(s, s.rng.choice(("+-", "-+", "++-", "+-+", "-+-")))


def work_back(s: Story) -> int:
    """The count at first from what was left."""
    name, items = s.person(), s.item().many
    kinds = s.rng.choice(("-", "+", "--", "-+"))
    s.say("had_unknown")
    moves = []
    for kind in kinds:
        n = s.num()
        moves.append((kind, n))
        s.say("got_past" if kind == "+" else "gave_past", n=n)
    value = s.num()
    s.say("left_past", n=value)
    s.say("ask_first")
    for kind, n in reversed(moves):
        if kind == "-":
            value = s.add(f"Before {n} {items} went away from {value}, {name} had", value, n)
        else:
            value = s.sub(f"Before {name} got {n} of the {value} {items}, {name} had", value, n)
    return value


def relate(s: Story, who: str, base: str, value: int) -> int:
    """A comparison sentence with its step: `who` measured against `base`, who has `value`."""
    items = s.fields["items"]
    kind = s.rng.choice(("more", "more", "fewer", "times", "times", "half"))
    if kind == "more":
        n = s.num()
        s.say("more_than", X=who, Y=base, n=n)
        return s.add(f"{who} has {n} more {items} than {base}'s {value}", value, n)
    if kind == "fewer":
        n = s.num()
        s.say("fewer_than", X=who, Y=base, n=n)
        return s.sub(f"{who} has {n} fewer {items} than {base}'s {value}", value, n)
    if kind == "half":
        if value % 2:
            raise Rejected
        s.say("half_as", X=who, Y=base)
        return s.div(f"{who} has half of {base}'s {value} {items}", value, 2)
    factor = s.num("small")
    if value > 999:
        raise Rejected
    word = times_word(factor)
    s.say("times_as", X=who, Y=base, times=word)
    return s.mul(f"{who} has {word} {base}'s {value} {items}", value, factor)


def compare_two(s: Story) -> int:
    a, b = s.person(), s.person()
    items = s.item().many
    first = s.num()
    s.say("other_has", X=a, n=first)
    second = relate(s, b, a, first)
    if s.rng.random() < 0.3:
        s.say("ask_person", X=b)
        return second
    s.say("ask_total_people", who=listed([a, b]))
    return s.add(f"{a}'s {first} and {b}'s {second} {items}", first, second)


def compare_three(s: Story) -> int:
    a, b, c = s.person(), s.person(), s.person()
    items = s.item().many
    first = s.num()
    s.say("other_has", X=a, n=first)
    second = relate(s, b, a, first)
    base, value = s.rng.choice(((a, first), (b, second), (b, second)))
    third = relate(s, c, base, value)
    if s.rng.random() < 0.4:
        s.say("ask_person", X=c)
        return third
    s.say("ask_total_people", who=listed([a, b, c]))
    both = s.add(f"{a}'s {first} and {b}'s {second} {items}", first, second)
    return s.add(f"With {c}'s {third} {items}", both, third)


def compare_four(s: Story) -> int:
    names = [s.person() for _ in range(4)]
    s.item()
    value = s.num()
    s.say("other_has", X=names[0], n=value)
    for base, who in zip(names, names[1:]):
        value = relate(s, who, base, value)
        if value > 9999:
            raise Rejected
    s.say("ask_person", X=names[-1])
    return value


def inventory(s: Story) -> int:
    """The sum over three or four people."""
    names = [s.person() for _ in range(s.rng.choice((3, 3, 4)))]
    items = s.item().many
    values = [s.num() for _ in names]
    for name, value in zip(names, values):
        s.say("other_has", X=name, n=value)
    s.say("ask_total_people", who=listed(names))
    total = values[0]
    so_far = f"{names[0]}'s {total}"
    for name, value in zip(names[1:], values[1:]):
        total = s.add(f"{so_far} and {name}'s {value} {items}", total, value)
        so_far = f"The {total}"
    return total


def difference(s: Story) -> int:
    """Two people with a change each; the lead of the first."""
    a, b = s.person(), s.person()
    items = s.item().many
    first, second = s.num("wide"), s.num()
    s.say("other_has", X=a, n=first)
    if s.rng.random() < 0.5:
        n = s.num()
        s.say("gains", n=n)
        first = s.add(f"{a} has {first} {items} and gets {n} more", first, n)
    s.say("other_has", X=b, n=second)
    s.say("ask_difference", X=a, Y=b)
    return s.sub(f"{a}'s {first} less {b}'s {second} {items}", first, second)


def two_factors(s: Story) -> tuple[int, int]:
    """Operands of a product that one step can work out: 1x1 to 2x2 digits, or 1x3."""
    if s.rng.random() < 0.2:
        pair = (s.num("small"), s.num("big"))
        return pair if s.rng.random() < 0.7 else (pair[1], pair[0])
    return s.num("factor"), s.num("factor")


def boxes_total(s: Story) -> int:
    s.person()
    items, boxes = s.item().many, s.container()
    n, m = two_factors(s)
    s.say("groups", n=n, m=m)
    value = s.mul(f"{n} {boxes.many} with {m} {items} each", n, m)
    if s.rng.random() < 0.5:
        extra = s.num()
        s.say("loose", n=extra)
        value = s.add(f"The {value} and {extra} more {items}", value, extra)
    s.say("ask_total")
    return value


def boxes_two_kinds(s: Story) -> int:
    s.person()
    items = s.item().many
    values = []
    for _ in range(s.rng.choice((2, 2, 3))):
        boxes = s.container()
        n, m = two_factors(s)
        s.say("groups", n=n, m=m)
        values.append(s.mul(f"{n} {boxes.many} with {m} {items} each", n, m))
    s.say("ask_total")
    return s.total("Together", values)


def boxes_left(s: Story) -> int:
    name = s.person()
    items, boxes = s.item().many, s.container()
    n, m = two_factors(s)
    s.say("groups", n=n, m=m)
    value = s.mul(f"{n} {boxes.many} with {m} {items} each", n, m)
    used = s.num()
    s.say("loses", n=used)
    s.say("ask_now")
    return s.sub(f"{name} has {value} {items} and {used} go away", value, used)


def quotient(s: Story) -> tuple[int, int]:
    """A divisor and a quotient for an exact division."""
    if s.rng.random() < 0.8:
        divisor = s.num("small")
        return divisor, s.num(s.rng.choice(("small", "mid", "mid", "mid", "big")))
    return s.pick([10, 11, 12, 15, 20, 25]), s.num("factor")


PEOPLE = [
    ("friends", "friend"),
    ("children", "child"),
    ("students", "student"),
    ("cousins", "cousin"),
    ("neighbors", "neighbor"),
    ("players", "player"),
]


def share_equal(s: Story) -> int:
    s.person()
    items = s.item().many
    many, one = s.rng.choice(PEOPLE)
    n, each = quotient(s)
    s.say("has", n=n * each)
    s.say("share", n=n, people=many)
    s.say("ask_each", person=one)
    return s.div(f"{n * each} {items} for {n} {many}", n * each, n)


def share_after(s: Story) -> int:
    name = s.person()
    items = s.item().many
    many, one = s.rng.choice(PEOPLE)
    n, each = quotient(s)
    gone = s.num()
    total = n * each + gone
    s.say("has", n=total)
    s.say("loses", n=gone)
    rest = s.sub(f"{name} has {total} {items} and {gone} go away", total, gone)
    s.say("share_rest", n=n, people=many)
    s.say("ask_each", person=one)
    return s.div(f"{rest} {items} for {n} {many}", rest, n)


def share_groups(s: Story) -> int:
    """Boxes of things shared among people."""
    s.person()
    items, boxes = s.item().many, s.container()
    many, one = s.rng.choice(PEOPLE)
    n, m = s.num("factor"), s.num("factor")
    people = s.pick(range(2, 10))
    if n * m % people or n * m // people > 999:
        raise Rejected
    s.say("groups", n=n, m=m)
    total = s.mul(f"{n} {boxes.many} with {m} {items} each", n, m)
    s.say("share", n=people, people=many)
    s.say("ask_each", person=one)
    return s.div(f"{total} {items} for {people} {many}", total, people)


def gives_to_each(s: Story) -> int:
    name = s.person()
    items = s.item().many
    many, _ = s.rng.choice(PEOPLE)
    n, m = s.num("factor"), s.num("factor")
    total = n * m + s.num()
    s.say("has", n=total)
    s.say("gives_each", n=n, m=m, people=many)
    given = s.mul(f"{n} {many} get {m} {items} each", n, m)
    s.say("ask_now")
    return s.sub(f"{name} has {total} {items} and {given} go away", total, given)


def pack(s: Story) -> int:
    s.person()
    items, boxes = s.item().many, s.container()
    size, count = quotient(s)
    s.say("pack_into", n=size * count, m=size)
    s.say("ask_boxes")
    return s.div(f"{size * count} {items} in {boxes.many} of {size}", size * count, size)


def repack(s: Story) -> int:
    s.person()
    items = s.item().many
    bags = s.container()
    old = s.container()
    n, m = s.num("factor"), s.num("factor")
    size = s.pick(range(2, 10))
    if n * m % size or n * m // size > 999 or size == m:
        raise Rejected
    s.say("groups", n=n, m=m)
    total = s.mul(f"{n} {old.many} with {m} {items} each", n, m)
    s.say("repack", m=size, bags=bags.many, bag=bags.one)
    s.fields |= {"boxes": bags.many, "box": bags.one}
    s.say("ask_boxes")
    return s.div(f"{total} {items} in {bags.many} of {size}", total, size)


FAMILIES = [
    gain,
    lose,
    gain_and_lose,
    work_back,
    compare_two,
    compare_three,
    compare_four,
    inventory,
    difference,
    boxes_total,
    boxes_two_kinds,
    boxes_left,
    share_equal,
    share_after,
    share_groups,
    gives_to_each,
    pack,
    repack,
]
