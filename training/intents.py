"""What a user may ask for in short dialogue: one function an intent, one plain answer a meaning.

Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable

import dialogue_facts as facts
import problems
import slots_talk  # noqa: F401  registers the wordings
from stories import poem_about, story_about
from talk import Talk, article, sentence

Intent = Callable[[Talk], None]


def greet(t: Talk) -> None:
    user = t.word("talk_greet")
    for part in ("morning", "evening", "afternoon"):
        if part in user:
            t.exchange(user, f"Good {part}! How can I help you today?")
            return
    t.exchange(user, "Hello! How can I help you today?")


def how_are_you(t: Talk) -> None:
    t.ask("talk_how_are_you", "I am fine, thank you. How can I help you?")


def my_name(t: Talk) -> None:
    name = t.name()
    t.memory["name"] = name
    t.ask("talk_my_name", f"Nice to meet you, {name}! How can I help you?", x=name)


def ask_my_name(t: Talk) -> None:
    if "name" in t.memory:
        t.ask("talk_ask_my_name", f"Your name is {t.memory['name']}.")
    else:
        t.ask("talk_ask_my_name", "You have not told me your name yet.")


def your_name(t: Talk) -> None:
    t.ask("talk_your_name", "My name is Talon. I am a small language model.")


def what_can_you_do(t: Talk) -> None:
    answer = "I can solve short word problems, answer simple questions and chat a little."
    t.ask("talk_what_can_you_do", answer)


def thanks(t: Talk) -> None:
    t.ask("talk_thanks", "You are welcome!")


def bye(t: Talk) -> None:
    name = t.memory.get("name")
    t.ask("talk_bye", f"Goodbye, {name}! Have a nice day." if name else "Goodbye! Have a nice day.")


def capital(t: Talk) -> None:
    country, city = t.key(facts.CAPITALS)
    t.ask("talk_capital", f"The capital of {country} is {city}.", x=country)


def continent(t: Talk) -> None:
    country, where = t.key(facts.CONTINENTS)
    t.ask("talk_continent", f"{country} is in {where}.", x=country)


def color(t: Talk) -> None:
    thing, shade = t.key(facts.COLORS)
    t.ask("talk_color", sentence(f"{thing} is {shade}"), x=thing)


def opposite(t: Talk) -> None:
    word, other = t.key(facts.OPPOSITES)
    if t.rng.random() < 0.5:
        word, other = other, word
        if list(facts.OPPOSITES.values()).count(word) > 1:
            word, other = other, word
    t.ask("talk_opposite", f"The opposite of {word} is {other}.", x=word)


def plural(t: Talk) -> None:
    word, many = t.key(facts.PLURALS)
    t.ask("talk_plural", f"The plural of {word} is {many}.", x=word)


def past(t: Talk) -> None:
    word, form = t.key(facts.PAST)
    t.ask("talk_past", f"The past tense of {word} is {form}.", x=word)


def animal(t: Talk) -> None:
    name = t.rng.choice(list(facts.ANIMALS))
    sound, home, food, young, legs = facts.ANIMALS[name]
    kind = t.rng.choice(("sound", "home", "food", "young", "legs"))
    answer = {
        "sound": f"{article(name)} {sound}",
        "home": f"{article(name)} lives {home}",
        "food": f"{article(name)} eats {food}",
        "young": f"a young {name} is called {article(young)}",
        "legs": f"{article(name)} has {legs} legs",
    }[kind]
    t.ask(f"talk_{kind}", sentence(answer), x=name)


def day(t: Talk) -> None:
    index = t.rng.randrange(7)
    name = facts.DAYS[index]
    if t.rng.random() < 0.6:
        other = facts.DAYS[(index + 1) % 7]
        t.ask("talk_day_after", f"The day after {name} is {other}.", x=name)
    else:
        other = facts.DAYS[index - 1]
        t.ask("talk_day_before", f"The day before {name} is {other}.", x=name)


def month(t: Talk) -> None:
    index = t.rng.randrange(12)
    name = facts.MONTHS[index]
    kind = t.rng.choice(("after", "before", "days", "season"))
    answer = {
        "after": f"The month after {name} is {facts.MONTHS[(index + 1) % 12]}.",
        "before": f"The month before {name} is {facts.MONTHS[index - 1]}.",
        "days": f"{name} has {facts.MONTH_DAYS[index]} days.",
        "season": f"{name} is in {facts.SEASON_OF[name]}.",
    }[kind]
    slot = "talk_season" if kind == "season" else f"talk_month_{kind}"
    t.ask(slot, answer, x=name)


def clock(t: Talk) -> None:
    n, m = t.rng.randint(1, 12), t.rng.randint(2, 9)
    later = (n + m - 1) % 12 + 1
    t.ask("talk_clock", f"In {m} hours it will be {later} o'clock.", n=n, m=m)


def small_sum(t: Talk) -> None:
    n, m = t.rng.randint(1, 50), t.rng.randint(1, 50)
    if t.rng.random() < 0.6:
        t.ask("talk_sum", f"{n} plus {m} is {n + m}.", n=n, m=m)
    else:
        n, m = max(n, m), min(n, m)
        t.ask("talk_minus", f"{n} minus {m} is {n - m}.", n=n, m=m)


def count(t: Talk) -> None:
    n = t.rng.randint(1, 30)
    m = n + t.rng.randint(3, 9)
    numbers = ", ".join(map(str, range(n, m + 1)))
    t.ask("talk_count", f"{numbers}.", n=n, m=m)


def spell(t: Talk) -> None:
    word = t.rng.choice([*facts.PLURALS, *facts.JOBS, *facts.ANIMALS, *facts.KINDS])
    t.ask("talk_spell", f"The word {word} is spelled {'-'.join(word.upper())}.", x=word)


def letter(t: Talk) -> None:
    index = t.rng.randrange(25)
    x, y = chr(65 + index), chr(66 + index)
    t.ask("talk_letter", f"The letter after {x} is {y}.", x=x)


def kind(t: Talk) -> None:
    word, group = t.key(facts.KINDS)
    t.ask("talk_kind", sentence(f"{article(word)} is {article(group)}"), x=article(word))


def definition(t: Talk) -> None:
    word, text = t.key(facts.DEFINITIONS)
    t.ask("talk_definition", sentence(f"{word} is {text}"), x=word)


def units(t: Talk) -> None:
    question, answer = t.key(facts.UNITS)
    t.ask("talk_units", f"{answer}.", x=question)


def translate(t: Talk) -> None:
    language = t.rng.choice(list(facts.WORDS))
    word, other = t.key(facts.WORDS[language])
    t.ask("talk_word", f"The {language} word for {word} is {other}.", x=word, y=language)


ABILITIES = {
    "fly": {"owl", "bee", "parrot", "duck"},
    "swim": {"duck", "frog", "penguin", "whale", "turtle", "dog", "bear"},
    "climb trees": {"monkey", "squirrel", "cat", "bear", "snake", "spider", "ant"},
    "run": {"dog", "cat", "horse", "lion", "wolf", "fox", "deer", "rabbit", "goat", "camel"},
}


def can(t: Talk) -> None:
    name, skill = t.rng.choice(list(facts.ANIMALS)), t.rng.choice(list(ABILITIES))
    able = name in ABILITIES[skill]
    subject = article(name)
    answer = f"Yes, {subject} can {skill}." if able else f"No, {subject} cannot {skill} well."
    t.ask("talk_can_fly", answer, x=name, y=skill)


def made_of(t: Talk) -> None:
    thing, stuff = t.key(facts.MATERIALS)
    t.ask("talk_made_of", f"A {thing} is usually made of {stuff}.", x=thing)


def job(t: Talk) -> None:
    name, work = t.key(facts.JOBS)
    t.ask("talk_job", sentence(f"{article(name)} {work}"), x=name)


def use(t: Talk) -> None:
    thing, purpose = t.key(facts.USES)
    t.ask("talk_use", f"You can use the {thing} to {purpose}.", x=thing)


def bigger(t: Talk) -> None:
    i, j = t.rng.sample(range(len(facts.SIZES)), 2)
    x, y = facts.SIZES[i], facts.SIZES[j]
    large, small = (x, y) if i > j else (y, x)
    t.ask("talk_bigger", sentence(f"{large} is bigger than {small}"), x=x, y=y)


def feeling(t: Talk) -> None:
    mood, advice = t.key(facts.FEELINGS)
    t.ask("talk_feeling", sentence(advice), x=mood)


def weather(t: Talk) -> None:
    state, advice = t.key(facts.WEATHER)
    t.ask("talk_weather", sentence(advice), x=state)


def meal(t: Talk) -> None:
    name, dish = t.key(facts.MEALS)
    t.ask("talk_meal", f"For {name}, how about {dish}?", x=name)


FAVORITES = {
    "color": "I like blue best.",
    "animal": "I like owls best.",
    "food": "I do not eat, but soup sounds nice.",
    "season": "I like spring best.",
    "number": "I like the number 7 best.",
    "day": "I like Sunday best.",
    "book": "I like books of short stories best.",
    "sport": "I do not play, but chess is fun.",
    "city": "I like Paris best.",
    "song": "I cannot hear songs, but I like poems.",
}


def favorite(t: Talk) -> None:
    thing, answer = t.key(FAVORITES)
    t.ask("talk_favorite", answer, x=thing)


def joke(t: Talk) -> None:
    if t.rng.random() < 0.3:
        t.ask("talk_joke", facts.JOKES["numbers"])
        return
    topic, text = t.key(facts.JOKES)
    t.ask("talk_joke_about", text, x=topic)


def tell_story(t: Talk) -> None:
    names = t.rng.sample(list(facts.ANIMALS), 2)
    if t.rng.random() < 0.6:
        t.ask("talk_story", story_about(names[0], None), x=names[0])
    else:
        t.ask("talk_story_two", story_about(names[0], names[1]), x=names[0], y=names[1])


def poem(t: Talk) -> None:
    name = t.rng.choice(list(facts.COLORS) + [f"a {a}" for a in facts.ANIMALS])
    t.ask("talk_poem", poem_about(name), x=name)


def repeat(t: Talk) -> None:
    name, shade = t.name(), t.rng.choice(list(facts.COLORS.values()))
    thing = t.rng.choice(list(facts.PLURALS.values()))
    text = f"{name} has {t.rng.randint(2, 99)} {shade} {thing}."
    t.ask("talk_repeat", text, x=text)


PETS = "dog cat horse rabbit parrot mouse turtle goat hen duck".split()


def pet(t: Talk) -> None:
    name, shade = t.name(), t.rng.choice("black white brown gray red yellow".split())
    creature = t.rng.choice(PETS)
    t.memory |= {"pet": creature, "pet_name": name, "pet_color": shade}
    answer = f"{name} is a nice name for a {shade} {creature}!"
    t.ask("talk_pet", answer, x=creature, y=name, c=shade)


def ask_pet(t: Talk) -> None:
    creature = t.memory.get("pet")
    if creature is None:
        other = t.rng.choice(PETS)
        t.ask("talk_ask_pet", f"You have not told me about your {other} yet.", x=other)
    elif t.rng.random() < 0.6:
        t.ask("talk_ask_pet", f"Your {creature} is called {t.memory['pet_name']}.", x=creature)
    else:
        t.ask("talk_ask_pet_color", f"Your {creature} is {t.memory['pet_color']}.", x=creature)


def from_place(t: Talk) -> None:
    place = t.rng.choice([*facts.CAPITALS, *facts.CAPITALS.values()])
    t.memory["place"] = place
    t.ask("talk_from", f"{place} is a nice place. What would you like to know?", x=place)


def ask_from(t: Talk) -> None:
    if "place" in t.memory:
        t.ask("talk_ask_from", f"You are from {t.memory['place']}.")
    else:
        t.ask("talk_ask_from", "You have not told me where you are from yet.")


def book_table(t: Talk) -> None:
    """A booking over several turns, cut anywhere."""
    n, name, hour = t.rng.randint(2, 12), t.rng.choice(facts.DAYS), t.rng.randint(5, 10)
    t.ask("talk_book_table", "Sure. For how many people?")
    if t.rng.random() < 0.1:
        return
    t.ask("talk_people_count", f"A table for {n} people. On which day?", n=n)
    if t.rng.random() < 0.1:
        return
    t.ask("talk_on_day", f"On {name}. At what time?", x=name)
    if t.rng.random() < 0.1:
        return
    summary = f"A table for {n} people on {name} at {hour} o'clock. Is that right?"
    t.ask("talk_at_time", summary, n=hour)
    if t.rng.random() < 0.2:
        return
    done = f"Your table for {n} people on {name} at {hour} o'clock is noted. Enjoy your meal!"
    t.ask("talk_yes", done)


def remind(t: Talk) -> None:
    task, hour = t.rng.choice(facts.TASKS), t.rng.randint(1, 12)
    yours = task.replace(" my ", " your ")
    t.ask("talk_remind", f"At {hour} o'clock: {yours}. I noted it.", x=task, n=hour)


def unknown(t: Talk) -> None:
    topic = t.rng.choice(facts.UNKNOWN)
    t.ask("talk_unknown", "I am sorry, I do not know that. I am only a small model.", x=topic)


def praise(t: Talk) -> None:
    t.ask("talk_praise", "Thank you! That is kind of you.")


def blame(t: Talk) -> None:
    t.ask("talk_blame", "I am sorry. I am a small model and I make mistakes.")


def note(t: Talk) -> None:
    """Something to remember, asked for later."""
    name, thing = t.name(), t.rng.choice(list(facts.PLURALS.values()))
    n = t.rng.randint(2, 99)
    t.notes.append((name, n, thing))
    t.ask("talk_note", f"Noted: {name} has {n} {thing}.", x=name, n=n, items=thing)


def ask_note(t: Talk) -> None:
    if t.notes:
        name, n, thing = t.rng.choice(t.notes)
        t.ask("talk_ask_note", f"{name} has {n} {thing}.", x=name, items=thing)


def word_problem(t: Talk) -> None:
    problem = problems.draw(t.rng, t.mode)
    t.ask("talk_problem", problem.answer, q=problem.question)
