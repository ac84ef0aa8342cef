"""Families about prices, wages, savings and shares of a whole. Each returns the answer."""

from __future__ import annotations

import slots_money  # noqa: F401  registers the wordings
from families_basic import PEOPLE, quotient, two_factors
from story import Rejected, Story


def purchases(s: Story, count: int) -> list[int]:
    """Sentences for so many kinds of things bought, with the cost of each."""
    costs = []
    for _ in range(count):
        thing = s.item()
        n, m = two_factors(s)
        s.say("buys_at", n=n, m=m, thing=thing.one, things=thing.many)
        costs.append(s.mul(f"{n} {thing.many} at {m} dollars each", n, m))
    return costs


def shopping(s: Story) -> int:
    s.person()
    costs = purchases(s, s.rng.choice((1, 2, 3, 3, 4)))
    s.say("ask_pay")
    return s.total("Together", costs)


def shopping_change(s: Story) -> int:
    s.person()
    costs = purchases(s, s.rng.choice((1, 2, 3)))
    total = s.total("Together", costs)
    paid = s.rng.choice((total + s.num(), -(-total // 100) * 100 + 100))
    s.operands.append(paid)
    s.say("pays_with", n=paid)
    s.say("ask_change")
    return s.sub(f"From {paid} dollars {total} are paid", paid, total)


def money_left(s: Story) -> int:
    name = s.person()
    place = len(s.sentences)
    costs = purchases(s, s.rng.choice((1, 2, 3)))
    money = sum(costs) + s.num()
    s.say("has_money", n=money)
    s.sentences.insert(place, s.sentences.pop())
    total = s.total("Together", costs)
    s.say("ask_money_left")
    return s.sub(f"{name} has {money} dollars and pays {total}", money, total)


def unit_price(s: Story) -> int:
    s.person()
    thing = s.item()
    n, price = quotient(s)
    s.say("unit_cost", n=n, m=n * price, things=thing.many)
    each = s.div(f"{n} {thing.many} cost {n * price} dollars, one costs", n * price, n)
    if s.rng.random() < 0.3:
        s.say("ask_unit", thing=thing.one)
        return each
    if price > 99 and n > 9:
        raise Rejected
    m = s.num("small") if price > 99 else s.num("factor")
    s.say("ask_cost_of", n=m, things=thing.many)
    return s.mul(f"{m} {thing.many} at {each} dollars each", m, each)


def wages(s: Story) -> int:
    name = s.person()
    n, m = two_factors(s)
    s.say("wage", m=m)
    s.say("works_hours", n=n)
    value = s.mul(f"{n} hours at {m} dollars each", n, m)
    if s.rng.random() < 0.5:
        extra = s.num()
        s.say("bonus", n=extra)
        value = s.add(f"{name}'s {value} and {extra} dollars more", value, extra)
    s.say("ask_earn")
    return value


def save_weeks(s: Story) -> int:
    name = s.person()
    weekly, weeks = quotient(s)
    if weeks < 100 and weekly < 10 and s.rng.random() < 0.4:
        weekly, weeks = weeks, weekly
    have = s.num()
    goal = weekly * weeks + have
    s.say("wants", n=goal)
    s.say("already_saved", n=have)
    s.say("saves_weekly", n=weekly)
    s.say("ask_weeks")
    missing = s.sub(f"{name} needs {goal} dollars and has {have}", goal, have)
    return s.div(f"{missing} dollars at {weekly} a week", missing, weekly)


def save_after(s: Story) -> int:
    name = s.person()
    have = s.num()
    weeks, weekly = two_factors(s)
    s.say("has_money", n=have)
    s.say("saves_weekly", n=weekly)
    s.say("ask_saved", n=weeks)
    saved = s.mul(f"{weeks} weeks at {weekly} dollars each", weeks, weekly)
    return s.add(f"{name}'s {have} and {saved} dollars more", have, saved)


def percent(s: Story, base: int, share: int, unit: str) -> int:
    """share percent of base, by way of 10 percent; both are multiples of 10."""
    tenth = s.div(f"10% of {base} {unit}", base, 10)
    if share == 10:
        return tenth
    return s.mul(f"{share}% is {share // 10} times {tenth}", tenth, share // 10)


def percent_operands(s: Story) -> tuple[int, int]:
    base = 10 * s.num(s.rng.choice(("small", "mid", "mid")))
    return base, s.pick(range(10, 100, 10))


def discount(s: Story) -> int:
    s.person()
    base, share = percent_operands(s)
    s.say("price_tag", n=base)
    s.say("discount", n=share)
    s.say("ask_price_now")
    part = percent(s, base, share, "dollars")
    return s.sub(f"The price of {base} falls by {part}", base, part)


def surcharge(s: Story) -> int:
    s.person()
    base, share = percent_operands(s)
    s.say("price_tag", n=base)
    s.say("tax", n=share)
    s.say("ask_price_now")
    part = percent(s, base, share, "dollars")
    return s.add(f"The price of {base} grows by {part}", base, part)


def percent_of_people(s: Story) -> int:
    s.person()
    many, _ = s.rng.choice(PEOPLE)
    base, share = percent_operands(s)
    s.say("crowd", n=base, people=many)
    s.say("percent_part", n=share, people=many)
    part = percent(s, base, share, many)
    if s.rng.random() < 0.5:
        s.say("ask_part", people=many)
        return part
    s.say("ask_rest", people=many)
    return s.sub(f"Of {base} {many} all but {part}", base, part)


PARTS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 8: "eighth", 10: "tenth"}


def fraction_of_people(s: Story) -> int:
    s.person()
    many, _ = s.rng.choice(PEOPLE)
    parts = s.pick([n for n in PARTS])
    base = parts * s.num()
    s.say("crowd", n=base, people=many)
    s.say("fraction_part", part=PARTS[parts], people=many)
    part = s.div(f"One {PARTS[parts]} of {base} {many}", base, parts)
    if s.rng.random() < 0.5:
        s.say("ask_part", people=many)
        return part
    s.say("ask_rest", people=many)
    return s.sub(f"Of {base} {many} all but {part}", base, part)


def profit(s: Story) -> int:
    s.person()
    thing = s.item()
    n, cost = s.num("factor"), s.num("factor")
    price = cost + s.num("factor")
    if price > 99:
        raise Rejected
    s.say("buys_stock", n=n, m=cost, things=thing.many)
    s.say("sells_stock", m=price, things=thing.many, thing=thing.one)
    s.say("ask_profit")
    gain = s.sub(f"Sold at {price} and bought at {cost} dollars, one brings", price, cost)
    return s.mul(f"{n} {thing.many} at {gain} dollars each", n, gain)


def tickets(s: Story) -> int:
    s.person()
    p, q = s.num("factor"), s.num("factor")
    n, m = s.num("factor"), s.num("factor")
    s.say("tickets", p=p, q=q)
    s.say("visitors", n=n, m=m)
    s.say("ask_tickets")
    first = s.mul(f"{n} adults at {p} dollars each", n, p)
    second = s.mul(f"{m} children at {q} dollars each", m, q)
    return s.add("Together", first, second)


FAMILIES = [
    shopping,
    shopping_change,
    money_left,
    unit_price,
    wages,
    save_weeks,
    save_after,
    discount,
    surcharge,
    percent_of_people,
    fraction_of_people,
    profit,
    tickets,
]
