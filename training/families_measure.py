"""Families about days, distances, pages, ages, rows and machines. Each returns the answer."""

from __future__ import annotations

import slots_measure  # noqa: F401  registers the wordings
from families_basic import listed, quotient, two_factors
from story import Rejected, Story


def days(s: Story) -> int:
    name = s.person()
    items = s.item().many
    have = s.num()
    count, rate = two_factors(s)
    s.say("has", n=have)
    s.say("daily", n=rate)
    s.say("ask_after_days", n=count)
    new = s.mul(f"{count} days with {rate} {items} each", count, rate)
    return s.add(f"{name}'s {have} and {new} {items} more", have, new)


def weeks(s: Story) -> int:
    s.person()
    items = s.item().many
    rate, count = s.num("factor"), s.num("small")
    s.say("daily", n=rate)
    s.say("ask_in_weeks", n=count)
    weekly = s.mul(f"7 days with {rate} {items} each", 7, rate)
    return s.mul(f"{count} weeks with {weekly} {items} each", count, weekly)


def distance(s: Story) -> int:
    s.person()
    parts = []
    for _ in range(s.rng.choice((1, 2, 2, 3))):
        n, m = s.num("factor"), s.num("factor")
        s.say("leg_speed", n=n, m=m)
        parts.append(s.mul(f"{n} hours at {m} kilometers each", n, m))
    s.say("ask_distance")
    return s.total("Together", parts)


def distance_left(s: Story) -> int:
    s.person()
    total, first = s.num("wide"), s.num()
    s.say("trip", n=total)
    s.say("covers", n=first)
    done = first
    if s.rng.random() < 0.6:
        second = s.num()
        s.say("covers_next", n=second)
        done = s.add(f"Done are {first} and {second} kilometers", first, second)
    s.say("ask_to_go")
    return s.sub(f"Of {total} kilometers {done} are done", total, done)


def pages_left(s: Story) -> int:
    s.person()
    n, m = two_factors(s)
    total = n * m + s.num()
    s.say("book", n=total)
    s.say("reads_daily", n=n, m=m)
    s.say("ask_pages_left")
    done = s.mul(f"{n} days with {m} pages each", n, m)
    return s.sub(f"Of {total} pages {done} are read", total, done)


def pages_daily(s: Story) -> int:
    s.person()
    count, rate = quotient(s)
    done = s.num()
    total = count * rate + done
    s.say("book", n=total)
    s.say("read_so_far", n=done)
    s.say("ask_pages_daily", n=count)
    rest = s.sub(f"Of {total} pages {done} are read", total, done)
    return s.div(f"{rest} pages in {count} days", rest, count)


def minutes(s: Story) -> int:
    s.person()
    values = [s.num() for _ in range(s.rng.choice((2, 3, 3, 4)))]
    for value in values:
        s.say("task_minutes", n=value)
    s.say("ask_minutes")
    total = values[0]
    for value in values[1:]:
        total = s.add(f"The {total} and {value} minutes", total, value)
    return total


def hours_to_minutes(s: Story) -> int:
    s.person()
    hours, extra = s.num("factor"), s.pick(range(2, 60))
    s.say("hours_minutes", n=hours, m=extra)
    s.say("ask_in_minutes")
    value = s.mul(f"{hours} hours with 60 minutes each", hours, 60)
    return s.add(f"The {value} and {extra} minutes", value, extra)


def ages(s: Story) -> int:
    names = [s.person() for _ in range(s.rng.choice((2, 2, 3)))]
    values = [s.num("factor")]
    s.say("age", n=values[0])
    for base, who in zip(names, names[1:]):
        n = s.num("factor")
        s.say("older", X=who, Y=base, n=n)
        values.append(s.add(f"{who} is {n} years above {base}'s {values[-1]}", values[-1], n))
    if s.rng.random() < 0.5:
        later = s.num("factor")
        s.say("ask_age_in", X=names[-1], n=later)
        return s.add(f"{names[-1]} is {values[-1]} and {later} years pass", values[-1], later)
    s.say("ask_age_sum", who=listed(names))
    total = s.add(f"{names[0]}'s {values[0]} and {names[1]}'s {values[1]}", values[0], values[1])
    if len(names) == 3:
        total = s.add(f"With {names[2]}'s {values[2]}", total, values[2])
    return total


ROW_THINGS = ["seats", "chairs", "trees", "lamps", "plants", "tables"]


def rows(s: Story) -> int:
    s.person()
    things = s.rng.choice(ROW_THINGS)
    n, m = two_factors(s)
    s.say("rows", n=n, m=m, things=things)
    total = s.mul(f"{n} rows with {m} {things} each", n, m)
    gone = s.num()
    s.say("rows_empty", n=gone, things=things)
    s.say("ask_rows_left", things=things)
    return s.sub(f"Of {total} {things} all but {gone}", total, gone)


def area(s: Story) -> int:
    s.person()
    n, m = two_factors(s)
    s.say("rectangle", n=n, m=m)
    s.say("ask_area")
    return s.mul(f"{n} meters by {m} meters", n, m)


def fence(s: Story) -> int:
    s.person()
    n, m = s.num(), s.num()
    s.say("rectangle", n=n, m=m)
    s.say("ask_fence")
    half = s.add(f"One long side of {n} and one short side of {m} meters", n, m)
    return s.mul(f"Two times {half} meters", half, 2)


def average(s: Story) -> int:
    s.person()
    count = s.rng.choice((2, 3, 3, 4))
    values = [s.num() for _ in range(count)]
    if sum(values) % count:
        raise Rejected
    texts = [str(v) for v in values]
    s.say("scores", list=", ".join(texts[:-1]) + " and " + texts[-1], n=count)
    s.say("ask_average")
    total = values[0]
    for value in values[1:]:
        total = s.add(f"The {total} and {value} points", total, value)
    return s.div(f"{total} points over {count} times", total, count)


LEGS = {
    "cows": 4,
    "dogs": 4,
    "goats": 4,
    "horses": 4,
    "sheep": 4,
    "hens": 2,
    "ducks": 2,
    "geese": 2,
    "ants": 6,
    "beetles": 6,
    "spiders": 8,
}


def legs(s: Story) -> int:
    s.person()
    xs, ys = s.rng.sample(list(LEGS), 2)
    n, m = s.num(), s.num()
    s.say("animals", n=n, m=m, xs=xs, ys=ys)
    s.say("ask_legs")
    first = s.mul(f"{n} {xs} with {LEGS[xs]} legs each", n, LEGS[xs])
    second = s.mul(f"{m} {ys} with {LEGS[ys]} legs each", m, LEGS[ys])
    return s.add("Together", first, second)


def machines(s: Story) -> int:
    s.person()
    items = s.item().many
    n, m, hours = s.num("factor"), s.num("factor"), s.num("small")
    if n * m > 999:
        raise Rejected
    s.say("machines", n=n, m=m)
    s.say("ask_machines", n=hours)
    hourly = s.mul(f"{n} machines with {m} {items} each", n, m)
    return s.mul(f"{hours} hours with {hourly} {items} each", hours, hourly)


def bus(s: Story) -> int:
    s.person()
    value = s.num()
    s.say("bus_start", n=value)
    for kind in s.rng.choice(("-+", "-+", "-", "+", "-+-")):
        n = s.num()
        if kind == "-":
            s.say("bus_off", n=n)
            value = s.sub(f"Of {value} people {n} get off", value, n)
        else:
            s.say("bus_on", n=n)
            value = s.add(f"To {value} people {n} get on", value, n)
    s.say("ask_bus")
    return value


def tank(s: Story) -> int:
    s.person()
    count, rate = two_factors(s)
    rise = s.rng.random() < 0.5
    start = s.num() + (0 if rise else count * rate)
    s.say("tank", n=start)
    s.say("tank_in" if rise else "tank_out", m=rate)
    s.say("ask_tank", n=count)
    moved = s.mul(f"{count} minutes with {rate} liters each", count, rate)
    if rise:
        return s.add(f"To {start} liters {moved} are added", start, moved)
    return s.sub(f"Of {start} liters {moved} are gone", start, moved)


def recipe(s: Story) -> int:
    s.person()
    people, each = quotient(s)
    if each > 99:
        raise Rejected
    other = s.num("factor")
    s.say("recipe", n=people, m=people * each)
    s.say("ask_recipe", n=other)
    one = s.div(f"{people * each} grams for {people}, for one", people * each, people)
    return s.mul(f"{other} portions with {one} grams each", other, one)


def temperature(s: Story) -> int:
    s.person()
    value = s.num()
    s.say("temperature", n=value)
    for kind in s.rng.choice(("+-", "-+", "+", "-", "+-+")):
        n = s.num()
        if kind == "+":
            s.say("warmer", n=n)
            value = s.add(f"From {value} degrees up by {n}", value, n)
        else:
            s.say("colder", n=n)
            value = s.sub(f"From {value} degrees down by {n}", value, n)
    s.say("ask_temperature")
    return value


FAMILIES = [
    days,
    weeks,
    distance,
    distance_left,
    pages_left,
    pages_daily,
    minutes,
    hours_to_minutes,
    ages,
    rows,
    area,
    fence,
    average,
    legs,
    machines,
    bus,
    tank,
    recipe,
    temperature,
]
