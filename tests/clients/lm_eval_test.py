"""lm-eval against the server: on the completions route it finds the accuracy that `talon eval`
finds, and on the chat route that of the answers the server gives to the same messages."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import unittest
import urllib.request
from pathlib import Path

from served import PROGRAM, Served

# Nothing is looked up and nothing is kept: the task and its data are files of this tree.
CACHE = tempfile.TemporaryDirectory()
os.environ.update(HF_HOME=CACHE.name, HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1",
                  HF_DATASETS_DISABLE_PROGRESS_BARS="1", TOKENIZERS_PARALLELISM="false")

import lm_eval  # noqa: E402  (reads the environment)
from lm_eval.tasks import TaskManager  # noqa: E402

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "data/eval/word_problems.jsonl"
TASK = "talon_word_problems"
LIMIT = 40


def problems() -> list[dict]:
    with DATA.open() as lines:
        return [json.loads(next(lines)) for _ in range(LIMIT)]


def strict_match(text: str, answer: str) -> bool:
    found = re.search(r"#### (-?[0-9.,]+)", text)
    return found is not None and found[1].replace(",", "").removesuffix(".") == answer.split("#### ")[1]


class LmEvalTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.served = Served()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.served.stop()
        CACHE.cleanup()

    def evaluate(self, model: str, route: str, **more) -> dict[str, float]:
        results = lm_eval.simple_evaluate(
            model=model,
            model_args={"model": self.model_name(), "base_url": self.served.address + route,
                        "num_concurrent": 8, "max_retries": 1, "tokenizer_backend": None},
            tasks=[TASK],
            task_manager=TaskManager(include_path=str(HERE / "lm_eval_tasks"), include_defaults=False),
            limit=LIMIT, bootstrap_iters=0, **more)
        return results["results"][TASK]

    def model_name(self) -> str:
        with urllib.request.urlopen(self.served.address + "/v1/models") as answer:
            return json.load(answer)["data"][0]["id"]

    def chat(self, question: str) -> str:
        body = {"messages": [{"role": "user", "content": f"Question: {question}\nAnswer:"}],
                "temperature": 0, "max_tokens": 512, "stop": ["Question:"]}
        request = urllib.request.Request(self.served.address + "/v1/chat/completions",
                                         json.dumps(body).encode())
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["choices"][0]["message"]["content"]

    def test_completions_have_the_accuracy_of_talon_eval(self) -> None:
        output = subprocess.run(
            [PROGRAM, "eval", "gsm8k", "--data", DATA, "--limit", str(LIMIT), "--json"],
            check=True, capture_output=True, text=True).stdout
        expected = json.loads(output)["accuracy"]

        found = self.evaluate("local-completions", "/v1/completions")

        print(f"lm-eval local-completions: {found}, talon eval: {expected}")
        self.assertGreater(expected["strict_match"], 0.5)
        self.assertAlmostEqual(found["exact_match,strict-match"], expected["strict_match"])
        self.assertAlmostEqual(found["exact_match,flexible-extract"], expected["flexible_extract"])

    def test_chat_has_the_accuracy_of_its_answers(self) -> None:
        correct = [strict_match(self.chat(p["question"]), p["answer"]) for p in problems()]

        found = self.evaluate("local-chat-completions", "/v1/chat/completions",
                              apply_chat_template=True)

        print(f"lm-eval local-chat-completions: {found}")
        self.assertAlmostEqual(found["exact_match,strict-match"], sum(correct) / LIMIT)


if __name__ == "__main__":
    unittest.main()
