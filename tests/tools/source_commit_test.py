"""The script that tells a build its commit: git's, told, or unknown, and a file left alone."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path("cmake/source_commit.cmake").resolve()
GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]


def commit_of(source, output, *options):
    subprocess.run(["cmake", f"-DSOURCE={source}", f"-DOUTPUT={output}", *options, "-P", SCRIPT],
                   check=True, capture_output=True)
    return output.read_text().split('return "')[1].split('"')[0]


class SourceCommitTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.source = Path(self.folder.name) / "source"
        self.source.mkdir()
        self.output = Path(self.folder.name) / "commit.cc"

    def tearDown(self):
        self.folder.cleanup()

    def git(self, *words):
        done = subprocess.run([*GIT, "-C", self.source, *words], check=True, capture_output=True,
                              text=True)
        return done.stdout.strip()

    def make_repository(self):
        self.git("init", "-q")
        (self.source / "a").write_text("1")
        self.git("add", "a")
        self.git("commit", "-q", "-m", "a")
        return self.git("rev-parse", "HEAD")[:12]

    def test_outside_git_it_is_unknown(self):
        self.assertEqual(commit_of(self.source, self.output), "unknown")

    def test_a_folder_of_another_repository_has_none(self):
        self.make_repository()
        inner = self.source / "inner"
        inner.mkdir()
        self.assertEqual(commit_of(inner, self.output), "unknown")

    def test_changed_files_are_told(self):
        commit = self.make_repository()
        self.assertEqual(commit_of(self.source, self.output), commit)
        (self.source / "new").write_text("not tracked")
        self.assertEqual(commit_of(self.source, self.output), commit)
        (self.source / "a").write_text("2")
        self.assertEqual(commit_of(self.source, self.output), commit + "-dirty")

    def test_a_file_that_stays_the_same_is_left_alone(self):
        self.make_repository()
        commit_of(self.source, self.output)
        os.utime(self.output, (1, 1))
        commit_of(self.source, self.output)
        self.assertEqual(self.output.stat().st_mtime, 1)

    def test_a_build_may_be_told(self):
        self.make_repository()
        self.assertEqual(commit_of(self.source, self.output, "-DCOMMIT=v1.2"), "v1.2")
        with self.assertRaises(subprocess.CalledProcessError):
            commit_of(self.source, self.output, '-DCOMMIT=a"b')


if __name__ == "__main__":
    unittest.main()
