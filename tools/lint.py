#!/usr/bin/env python3
"""Runs clang-tidy-19 over the .cc files of a build folder that have a compile command.

Usage: tools/lint.py [--build DIR] [--all] [--deep] [--fix] [FILE...]

By default only files are linted that changed against the commit on which the branch stands, or that
reach a changed header. A file that was found clean is remembered by the hash of everything it was
judged from (its text, the headers of the tree it reaches, the configuration), so it is not linted
again until one of these changes. The static analyzer, which takes most of the time, gives up a
function early unless --deep is given.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import tidy_scan

ROOT = Path(__file__).resolve().parent.parent
TOOL = "clang-tidy-19"
# g++ judges warnings; here they would only repeat, in clang's dialect.
QUIET = ["--quiet", "--extra-arg=-Wno-everything"]
# The analyzer's default is 225000 states a function: three quarters of the whole time.
SHALLOW = [f"--extra-arg={argument}"
           for argument in ("-Xclang", "-analyzer-config", "-Xclang", "max-nodes=20000")]


class Closure:
    """What each file reaches by quoted includes, itself included."""

    def __init__(self) -> None:
        self._direct: dict[Path, list[Path]] = {}

    def direct(self, path: Path) -> list[Path]:
        if path not in self._direct:
            found = []
            for include in tidy_scan.includes(path.read_text("utf-8", "replace")):
                if include.quoted:
                    places = (ROOT / "src", ROOT, ROOT / "tests", path.parent)
                    candidates = (place / include.path for place in places)
                    found += list(filter(Path.is_file, candidates))[:1]
            self._direct[path] = found
        return self._direct[path]

    def of(self, path: Path) -> list[Path]:
        reached: set[Path] = set()
        todo = [path]
        while todo:
            current = todo.pop()
            if current not in reached:
                reached.add(current)
                todo.extend(self.direct(current))
        return sorted(reached)


def git_lines(*arguments: str) -> list[str]:
    result = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
    return result.stdout.splitlines() if result.returncode == 0 else []


def changed_files() -> set[Path]:
    """Files that differ from the last commit shared with the upstream branch, or from HEAD."""
    base = (git_lines("merge-base", "HEAD", "@{upstream}") or ["HEAD"])[0]
    names = git_lines("diff", "--name-only", base)
    names += git_lines("ls-files", "--others", "--exclude-standard")
    if not git_lines("rev-parse", "HEAD"):
        names += git_lines("ls-files")
    return {ROOT / name for name in names}


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "talon-lint"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


PROGRAM = ("src", "apps")  # the folders of what is installed


def fingerprint(files: list[Path], command: str, version: str) -> str:
    configuration = [ROOT / ".clang-tidy", ROOT / "tests" / ".clang-tidy"]
    text = [version, command.replace(str(ROOT), "")]
    for path in configuration + files:
        text.append(str(path.relative_to(ROOT)) + "\n" + path.read_text("utf-8", "replace"))
    return hashlib.sha256("\0".join(text).encode()).hexdigest()


def lint(path: Path, options: list[str]) -> str:
    """The messages about one file; empty when it is clean."""
    result = subprocess.run([TOOL, *options, str(path)], capture_output=True, text=True)
    if result.returncode == 0:
        return ""
    return result.stdout.strip() or result.stderr.strip()


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--all", action="store_true", help="every file of the program, changed or not")
    parser.add_argument("--deep", action="store_true", help="let the static analyzer finish")
    parser.add_argument("--fix", action="store_true", help="apply the fixes clang-tidy offers")
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args(argv)

    commands = {Path(c["file"]): c["command"]
                for c in json.loads((options.build / "compile_commands.json").read_text())
                if c["file"].endswith(".cc")}
    closure = Closure()
    wanted = sorted(path for path in commands if path.is_file() and "cmake" not in path.parts)
    if options.files:
        wanted = [path for path in wanted if path in {f.resolve() for f in options.files}]
    else:
        # Tests cost more than all else together, so they are linted when they change.
        changed = changed_files()
        wanted = [path for path in wanted
                  if (options.all and path.relative_to(ROOT).parts[0] in PROGRAM)
                  or changed.intersection(closure.of(path))]

    version = subprocess.run([TOOL, "--version"], check=True, capture_output=True, text=True).stdout
    cache = cache_folder()
    flags = ["-p", str(options.build), *QUIET, *([] if options.deep else SHALLOW)]
    flags += ["--fix-errors"] if options.fix else []
    judged_by = version + ("deep" if options.deep else "")
    marks = {p: cache / fingerprint(closure.of(p), commands[p], judged_by) for p in wanted}
    todo = [path for path in wanted if not marks[path].exists()]
    failed = 0
    workers = 1 if options.fix else os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(lambda path: lint(path, flags), todo)
        for path, messages in zip(todo, results):
            if messages:
                failed += 1
                print(messages, flush=True)
            else:
                marks[path].touch()
    known = len(wanted) - len(todo)
    print(f"lint: {len(wanted)} files, {known} known to be clean, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
