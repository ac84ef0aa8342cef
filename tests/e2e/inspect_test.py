"""`talon inspect` as a user runs it: on the embedded pair, and on folders that are not usable."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

PROGRAM = os.environ["TALON_PROGRAM"]
MODELS = Path(os.environ["TALON_SOURCE_DIR"]) / "models"


def inspect(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run([PROGRAM, "inspect", *arguments], capture_output=True, text=True,
                          check=False)


class InspectTest(unittest.TestCase):
    def test_the_embedded_pair_is_fine(self):
        for name, role in (("talon-tiny", "target"), ("talon-tiny-eagle3", "drafter")):
            with self.subTest(name):
                run = inspect(MODELS / name, "--json", "--strict-config")
                self.assertEqual(run.returncode, 0, run.stderr)
                self.assertEqual(run.stderr, "")
                report = json.loads(run.stdout)
                self.assertEqual(report["role"], role)
                self.assertEqual(report["warnings"], [])
                on_disk = sum(file.stat().st_size for file in (MODELS / name).glob("*.safetensors"))
                self.assertLessEqual(on_disk - report["all"]["bytes"], 256 * 1024)

    def test_text_says_what_was_checked(self):
        run = inspect(MODELS / "talon-tiny")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("MiniMaxM3SparseForConditionalGeneration (target)", run.stdout)
        self.assertIn("names, shapes and dtypes of", run.stdout)

    def test_a_folder_that_is_not_there_is_one_line_and_a_failure(self):
        run = inspect("nowhere/at-all")
        self.assertEqual(run.returncode, 1)
        self.assertEqual(run.stderr, "talon: nowhere/at-all: no such folder\n")
        self.assertEqual(run.stdout, "")

    def test_an_unknown_key_fails_under_strict_config_only(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            head = MODELS / "talon-tiny-eagle3"
            config = json.loads((head / "config.json").read_text()) | {"novelty": 1}
            (folder / "config.json").write_text(json.dumps(config))
            (folder / "model.safetensors").symlink_to(head / "model.safetensors")

            self.assertEqual(inspect(folder).returncode, 0)
            run = inspect(folder, "--strict-config")
            self.assertEqual(run.returncode, 1)
            self.assertIn("config.json: novelty: unknown key", run.stderr)


if __name__ == "__main__":
    unittest.main()
