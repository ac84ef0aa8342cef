"""What tools/lint.py remembers a file by."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from tools import lint


class ClosureTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        patch = mock.patch.object(lint, "ROOT", self.root)
        patch.start()
        self.addCleanup(patch.stop)
        self.write("src/a/a.cc", '#include "a/a.h"\n#include <vector>\n')
        self.write("src/a/a.h", '#pragma once\n#include "b/b.h"\n')
        self.write("src/b/b.h", "#pragma once\n")
        self.write("src/b/other.h", "#pragma once\n")
        self.write(".clang-tidy", "Checks: '-*'\n")
        self.write("tests/.clang-tidy", "")

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def mark(self) -> str:
        files = lint.Closure().of(self.root / "src/a/a.cc")
        return lint.fingerprint(files, "g++ -c a.cc", "version 19")

    def test_reaches_headers_through_headers(self) -> None:
        names = [path.name for path in lint.Closure().of(self.root / "src/a/a.cc")]

        self.assertEqual(names, ["a.cc", "a.h", "b.h"])

    def test_changes_with_a_header_it_reaches_and_with_the_configuration(self) -> None:
        first = self.mark()

        self.write("src/b/other.h", "#pragma once\nint x;\n")
        self.assertEqual(self.mark(), first)
        self.write("src/b/b.h", "#pragma once\nint x;\n")
        second = self.mark()
        self.assertNotEqual(second, first)
        self.write(".clang-tidy", "Checks: '*'\n")
        self.assertNotEqual(self.mark(), second)


if __name__ == "__main__":
    unittest.main()
