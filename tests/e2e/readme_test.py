"""Runs the commands of README.md as they stand there, and the script behind `make demo`.

Commands are the lines of its `sh` blocks. They run in the root of the tree, with the program of
this build in place of build/talon, and must succeed and print something.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import unittest
from pathlib import Path

ROOT = Path(os.environ.get("TALON_SOURCE_DIR", "."))
PROGRAM = os.environ.get("TALON_PROGRAM", "build/talon")
# What would take minutes is asked for less here.
SHORTER = {
    "bench generate": "--pairs 1 --max-tokens 8",
    "bench step": "--cycles 1 --max-num-seqs 2",
    "bench throughput": "--max-tokens 8 --max-num-seqs 8",
    "eval gsm8k": "--max-tokens 64",
}


def commands() -> list[str]:
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def run(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=280, check=False)


class ReadmeTest(unittest.TestCase):
    def test_first_line_names_the_prerequisites(self) -> None:
        first = (ROOT / "README.md").read_text().split("\n")[0]

        self.assertIn("git", first)
        self.assertIn("make", first)

    def test_every_command_works(self) -> None:
        self.assertGreater(len(commands()), 4)
        for command in commands():
            with self.subTest(command):
                self.assertIn("build/talon ", command)
                extra = next((e for name, e in SHORTER.items() if name in command), "")
                result = run(command.replace("build/talon", f'"{PROGRAM}"', 1) + " " + extra)

                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertTrue(result.stdout.strip())
                if "--json" in command:
                    json.loads(result.stdout)

    def test_the_demo_shows_an_answer_and_the_gain(self) -> None:
        result = run(f'tools/demo "{PROGRAM}"')

        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"\d")


if __name__ == "__main__":
    unittest.main()
