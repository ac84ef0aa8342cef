"""Shows that the held-out files are disjoint from the training distribution by construction.

Method: draw a sample of training problems and dialogues, redraw the held-out ones from their fixed
seeds with what each was built from, and compare. The sample is small against training; what must
hold for every training problem is checked on the pools, ranges and wordings themselves.
"""

from __future__ import annotations

import json
import random
import re
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "training"))

import dialogues  # noqa: E402
import evalsets  # noqa: E402
import pools  # noqa: E402
import problems  # noqa: E402
import story  # noqa: E402

DATA = ROOT / "data" / "eval"
NUM_TRAIN = 12000
MARK = re.compile(r"(\d+)([-+*/])(\d+) = <<(\d+)([-+*/])(\d+)=(\d+)>>(\d+)")


def evaluate(a: int, op: str, b: int) -> int:
    if op == "/":
        assert a % b == 0
        return a // b
    return {"+": a + b, "-": a - b, "*": a * b}[op]


def above_range(value: int) -> bool:
    return any(top < value <= shifted for _, top, shifted in story.RANGES.values())


class Fixture(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        rng = random.Random(99)
        cls.train = [problems.draw(rng, story.TRAIN) for _ in range(NUM_TRAIN)]
        cls.train_words = set().union(*(p.words for p in cls.train))
        cls.train_combinations = {c for p in cls.train for c in p.combinations}
        rng = random.Random(evalsets.SEED)
        cls.seen = evalsets.held_out_problems(rng, story.SEEN, 250)
        cls.shifted = evalsets.held_out_problems(rng, story.SHIFTED, 250)
        cls.unseen = evalsets.held_out_problems(random.Random(evalsets.SEED + 1), story.UNSEEN, 100)


class PoolsTest(unittest.TestCase):
    def test_names_and_nouns_of_the_modes_are_disjoint(self) -> None:
        names = [
            pools.TRAIN_FEMALE + pools.TRAIN_MALE,
            pools.EVAL_FEMALE + pools.EVAL_MALE,
            pools.UNSEEN_FEMALE + pools.UNSEEN_MALE,
        ]
        nouns = [
            pools.TRAIN_ITEMS + pools.TRAIN_CONTAINERS,
            pools.EVAL_ITEMS + pools.EVAL_CONTAINERS,
            pools.UNSEEN_ITEMS + pools.UNSEEN_CONTAINERS,
        ]
        for groups in (names, nouns):
            for i, first in enumerate(groups):
                for second in groups[i + 1 :]:
                    self.assertFalse(set(first) & set(second))

    def test_shifted_ranges_keep_the_digit_count(self) -> None:
        for low, top, shifted_top in story.RANGES.values():
            self.assertLessEqual(top, shifted_top)
            self.assertEqual(len(str(low)), len(str(shifted_top)))

    def test_every_clause_occurs_in_training(self) -> None:
        for name, slot in story.SLOTS.items():
            for pattern in slot.patterns:
                train = set(pattern.train)
                self.assertFalse(train & set(pattern.reserved), name)
                for i, choice in enumerate(pattern.choices):
                    kept = {
                        parts[i]
                        for parts in story.product(*pattern.choices)
                        if "".join(parts) in train
                    }
                    self.assertEqual(kept, set(choice), name)

    def test_unseen_wordings_occur_nowhere_else(self) -> None:
        for name, slot in story.SLOTS.items():
            if name.startswith("talk_"):
                continue
            self.assertTrue(slot.unseen, name)
            for pattern in slot.patterns:
                self.assertFalse(set(slot.unseen) & {*pattern.train, *pattern.reserved}, name)

    def test_every_slot_has_ten_wordings(self) -> None:
        for name, slot in story.SLOTS.items():
            self.assertGreaterEqual(sum(len(p.train) for p in slot.patterns), 10, name)


class ProblemsTest(Fixture):
    def test_there_are_thirty_families(self) -> None:
        self.assertGreaterEqual(len(problems.FAMILIES), 30)
        self.assertEqual({p.family for p in self.train}, {p.family for p in self.shifted})

    def test_training_uses_no_held_out_word(self) -> None:
        held = pools.HELD_OUT_NAMES | {pools.noun(e).one for e in pools.EVAL_ITEMS}
        self.assertFalse(self.train_words & held)

    def test_held_out_names_and_nouns_are_new(self) -> None:
        for problem in self.shifted + self.unseen:
            self.assertFalse(problem.words & self.train_words, problem.question)
        train_nouns = {pools.noun(e).one for e in pools.TRAIN_ITEMS + pools.TRAIN_CONTAINERS}
        for problem in self.seen:
            self.assertFalse((problem.words - train_nouns) & self.train_words, problem.question)

    def test_seen_wording_has_reserved_operands_and_training_wordings(self) -> None:
        for problem in self.seen:
            key = f"{problem.family}/{list(problem.operands)}"
            self.assertTrue(story.is_reserved(key, story.OPERAND_SHARE))
            for combination in problem.combinations:
                slot, _, text = combination.partition("/")
                train = {t for p in story.SLOTS[slot].patterns for t in p.train}
                self.assertIn(text, train)
        for problem in self.train:
            key = f"{problem.family}/{list(problem.operands)}"
            self.assertFalse(story.is_reserved(key, story.OPERAND_SHARE))

    def test_shifted_problems_leave_the_training_range(self) -> None:
        for problem in self.shifted:
            self.assertTrue(any(map(above_range, problem.operands)), problem.question)

    def test_shifted_problems_hold_a_reserved_combination(self) -> None:
        for problem in self.shifted:
            reserved = []
            for combination in problem.combinations:
                slot, _, text = combination.partition("/")
                if any(text in p.reserved for p in story.SLOTS[slot].patterns):
                    reserved.append(combination)
            self.assertTrue(reserved, problem.question)
            self.assertFalse(set(reserved) & self.train_combinations)

    def test_unseen_problems_use_unseen_wordings_only(self) -> None:
        for problem in self.unseen:
            self.assertFalse(set(problem.combinations) & self.train_combinations)

    def test_operand_digit_counts_occur_in_training(self) -> None:
        counts = {(p.family, len(str(n))) for p in self.train for n in p.operands}
        for problem in self.seen + self.shifted:
            for n in problem.operands:
                self.assertIn((problem.family, len(str(n))), counts)

    def test_no_held_out_question_is_a_training_question(self) -> None:
        questions = {p.question for p in self.train}
        for problem in self.seen + self.shifted + self.unseen:
            self.assertNotIn(problem.question, questions)


class DialoguesTest(unittest.TestCase):
    def test_last_user_turns_are_reserved_combinations(self) -> None:
        rng = random.Random(98)
        train = [dialogues.dialogue(rng) for _ in range(6000)]
        combinations = {c for t in train for c in t.combinations}
        held = [dialogues.held_out(rng) for _ in range(100)]
        for talk in held:
            self.assertNotIn(talk.combinations[-1], combinations)

    def test_no_held_out_dialogue_is_a_training_dialogue(self) -> None:
        rng = random.Random(97)
        train = {json.dumps(dialogues.dialogue(rng).messages) for _ in range(6000)}
        for line in (DATA / "dialogues.jsonl").read_text(encoding="ascii").splitlines():
            row = json.loads(line)
            self.assertEqual(row["messages"][-1]["role"], "user")
            whole = [*row["messages"], {"role": "assistant", "content": row["completion"]}]
            self.assertNotIn(json.dumps(whole), train)


class FilesTest(unittest.TestCase):
    def rows(self, name: str) -> list[dict]:
        text = (DATA / name).read_text(encoding="ascii")
        return [json.loads(line) for line in text.splitlines()]

    def test_regenerating_gives_the_committed_bytes(self) -> None:
        for name, text in evalsets.files().items():
            self.assertEqual((DATA / name).read_text(encoding="ascii"), text, name)

    def test_arithmetic_of_every_answer_is_right(self) -> None:
        for name in ("word_problems.jsonl", "unseen_wording.jsonl"):
            for row in self.rows(name):
                self.check_answer(row["answer"])

    def test_training_arithmetic_is_right(self) -> None:
        rng = random.Random(96)
        for _ in range(2000):
            self.check_answer(problems.draw(rng, story.TRAIN).answer)
            self.check_answer(problems.drill(rng)[1])

    def check_answer(self, answer: str) -> None:
        marks = MARK.findall(answer)
        self.assertEqual(answer.count("<<"), len(marks), answer)
        self.assertTrue(marks, answer)
        for a, op, b, a2, op2, b2, value, shown in marks:
            self.assertEqual((a, op, b, value), (a2, op2, b2, shown), answer)
            self.assertEqual(evaluate(int(a), op, int(b)), int(value), answer)
        self.assertTrue(answer.endswith(f"\n#### {marks[-1][-1]}"), answer)

    def test_counts_and_slices(self) -> None:
        rows = self.rows("word_problems.jsonl")
        slices = [row["slice"] for row in rows]
        self.assertEqual((slices.count("seen_wording"), slices.count("shifted")), (250, 250))
        self.assertGreater(slices[:100].count("shifted"), 30)
        self.assertGreater(slices[:100].count("seen_wording"), 30)
        self.assertEqual(len(self.rows("unseen_wording.jsonl")), 100)
        self.assertEqual(len(self.rows("dialogues.jsonl")), 100)

    def test_bench_prompts_are_not_in_the_other_files(self) -> None:
        rows = self.rows("bench_prompts.jsonl")
        kinds = [row["kind"] for row in rows]
        self.assertEqual((kinds.count("problem"), kinds.count("dialogue")), (16, 8))
        questions = {row["question"] for row in self.rows("word_problems.jsonl")}
        for row in rows[:16]:
            question = row["prompt"].removeprefix("Question: ").removesuffix("\nAnswer:")
            self.assertNotIn(question, questions)


if __name__ == "__main__":
    unittest.main()
