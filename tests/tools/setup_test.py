"""tools/setup among false system commands: what it installs, and what it says when it may not."""

from __future__ import annotations

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(os.environ.get("TALON_SOURCE_DIR", "."))


class SetupTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.calls = Path(self.folder.name) / "calls"

    def fake(self, name: str, script: str) -> None:
        path = Path(self.folder.name) / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    def run_setup(self, installed: list[str], user: int, *sections: str):
        lines = "".join(f"installed {package}\\n" for package in installed)
        self.fake("dpkg-query", f"printf '{lines}'")
        self.fake("apt-get", f'echo "$*" >>"{self.calls}"')
        self.fake("id", f"echo {user}")
        self.fake("sudo", "exit 1")
        return subprocess.run(
            [ROOT / "tools" / "setup", *sections], capture_output=True, text=True, check=False,
            env={"PATH": f"{self.folder.name}:{os.environ['PATH']}"})

    def packages(self, section: str) -> list[str]:
        text = (ROOT / "tools" / "packages.txt").read_text()
        return text.split(f"[{section}]\n")[1].split("[")[0].split()

    def test_is_silent_and_calls_nothing_when_all_is_there(self) -> None:
        result = self.run_setup(self.packages("run"), 1000)

        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        self.assertFalse(self.calls.exists())

    def test_root_installs_just_what_is_missing(self) -> None:
        there = [p for p in self.packages("run") if p not in ("ninja-build", "libfmt-dev")]

        result = self.run_setup(there, 0)

        self.assertEqual(result.returncode, 0, result.stderr)
        install = self.calls.read_text().splitlines()[-1]
        self.assertTrue(install.endswith(" libfmt-dev ninja-build"), install)

    def test_without_rights_it_names_the_package_and_fails(self) -> None:
        there = [p for p in self.packages("run") if p != "ninja-build"]

        result = self.run_setup(there, 1000)

        self.assertEqual(result.returncode, 1)
        self.assertIn("apt-get install ninja-build", result.stderr)
        self.assertFalse(self.calls.exists())

    def test_sections_are_chosen_by_name(self) -> None:
        result = self.run_setup(self.packages("run"), 1000, "run", "check")

        self.assertEqual(result.returncode, 1)
        self.assertIn("clang-tidy-19", result.stderr)


if __name__ == "__main__":
    unittest.main()
