#!/usr/bin/env python3
"""Checks what no compiler checks: include directions, sizes, banned words, tests, dead files.

Usage: tools/tidy.py [--update] [--root DIR] [FILE...]

With files, only problems in those are shown. The arrows between the folders of src/ are read from
the fenced block `arrows` of ARCHITECTURE.md. The ratchet (tools/tidy_ratchet.json) lists what is
over a limit with its present size; a number there may fall, never rise: --update lowers it and
drops what is no longer needed, and adds nothing. One place is excused from one rule by a comment
`tidy: allow RULE, reason` on its line or the line above.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

sys.path.insert(0, str(Path(__file__).resolve().parent))
import tidy_scan

MAX_COLUMNS = 100
SOFT_FILE_LINES = 400
HARD_FILE_LINES = 700
KERNEL_FILE_LINES = 1000
MAX_FUNCTION_LINES = 70
MAX_PARAMETERS = 5
MAX_NESTING = 3
MAX_TEST_NESTING = 4  # tables of cases are walked in several dimensions

CODE = (".h", ".cc", ".cu", ".cuh")
SIZED = CODE + (".py", ".sh", ".cmake")
BINARY = (".safetensors", ".bin", ".png", ".jpg", ".gz", ".npz")
KERNEL_FILE = re.compile(r"\.cu$|_(?:avx2|avx512|amx)\.cc$")
# Files of one op share a stem; these endings name a backend or the role.
VARIANT = re.compile(r"_(?:cpu|cpu_fast|fast|scalar|avx2|avx512|amx|cuda|sm90|xgrammar|absent)$")

TOP_FOLDERS = {
    "apps", "src", "tests", "bench", "docs", "training", "tools", "models", "data", "cmake", ".ci",
    ".githooks",
}
TEST_FOLDERS = {"oracle", "golden", "sim", "clients", "e2e", "fuzz", "support", "apps", "tools",
                "training"}
# May hold other characters than ASCII, and lines of any length: they are data.
DATA = ("data/", "models/", "tests/golden/", "tests/fuzz/corpus/")

# Headers of others that have one door each: (pattern, where it may be included).
DOORS = (
    (r"nlohmann/", r"src/base/json\.(h|cc)"),
    (r"xxhash\.h", r"src/base/hash\.cc"),
    (r"CLI/", r"apps/"),
    (r"pcre2\.h", r"src/text/\w+\.cc"),
    (r"utf8proc\.h", r"src/text/\w+\.cc"),
    (r"g(test|mock)/", r"tests/"),
    (r"benchmark/", r"bench/"),
    (r"(cuda|cublas|nvrtc|nvtx|cub/|cooperative_groups|mma\.h)", r".*\.cuh?$|src/core/cuda/"
     r"|src/comm/peer_|src/transfer/cuda_ipc_"),
    (r"nccl", r"src/comm/nccl_"),
)

# (rule, pattern, where it applies, where it is allowed all the same, what to do instead)
BANNED = (
    ("chevrons", r"<<<", r".*", None, "launch kernels through launch()"),
    ("using-namespace", r"\busing\s+namespace\b", r".*", None, "name what is used"),
    ("cuda-malloc", r"\bcudaMalloc\w*\s*\(", r".*", r"src/core/", "memory comes from Buffer"),
    ("endl", r"\bstd::endl\b", r".*", None, "write '\\n'"),
    ("getenv", r"\bgetenv\b", r".*", r"apps/|tests/", "only apps/talon reads the environment"),
    ("raw-new", r"\bnew\s+[A-Za-z_:]+\s*[\[({;]", r".*", None, "use make_unique or a container"),
    ("cuda-macro", r"#\s*(?:el)?if\w*\b[^\n]*\bTALON_HAS_CUDA\b", r".*", r"src/core/backend\.h",
     "use if constexpr (kHasCuda)"),
    ("header-using", r"^\s*using\s+[\w:]+::\w+\s*;", r".*\.(?:h|cuh)$", None,
     "no using-declaration in a header"),
)
MACHINE_PATH = re.compile(r"(?<![\w.$}/])/(?:work|root|home|Users)/\w")
TODO = re.compile(r"\b(?:TODO|FIXME|XXX)\b(?!\(#\d+\))")
PYTHON_STRING = re.compile(r"""(?<=")(?:\\.|[^"\\])*(?=")|(?<=')(?:\\.|[^'\\])*(?=')""")
VAGUE = re.compile(r"(?:^|_)(?:utils?|helpers?|misc|common)$")
ALLOW = re.compile(r"tidy: allow ([\w-]+), \S")


@dataclass(frozen=True, order=True)
class Problem:
    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.message} [{self.rule}]"


@dataclass
class Tree:
    """The files of the tree with their text, and the arrows between the folders of src/."""

    files: dict[str, str]  # path to text; binary files have ""
    arrows: dict[str, set[str]]  # folder to the folders it names
    folder_lists: dict[str, list[str]] = field(default_factory=dict)

    def may_include(self, folder: str) -> set[str]:
        """The folder, and all that its arrows reach."""
        reached, todo = set(), [folder]
        while todo:
            current = todo.pop()
            if current not in reached:
                reached.add(current)
                todo.extend(self.arrows.get(current, ()))
        return reached

    def code(self) -> Iterator[tuple[str, str]]:
        return ((path, text) for path, text in self.files.items() if path.endswith(CODE))


def parse_arrows(document: str) -> dict[str, set[str]]:
    """Reads `a -> b -> { c, d } ; e -> f` from the fenced block `arrows`."""
    block = re.search(r"^```arrows\n(.*?)^```", document, re.MULTILINE | re.DOTALL)
    if not block:
        raise ValueError("ARCHITECTURE.md has no fenced block `arrows`")
    arrows: dict[str, set[str]] = {}
    for chain in re.split(r"[;\n]", block.group(1)):
        groups = [re.findall(r"\w+", group) for group in chain.split("->")]
        for left, right in zip(groups, groups[1:]):
            for name in left:
                arrows.setdefault(name, set()).update(right)
        for name in groups[-1]:
            arrows.setdefault(name, set())
    return arrows


def load_tree(root: Path) -> Tree:
    listing = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True, capture_output=True).stdout.decode()
    files = {}
    for path in sorted(filter(None, listing.split("\0"))):
        full = root / path
        if full.is_file() and not full.is_symlink():
            binary = path.endswith(BINARY)
            files[path] = "" if binary else full.read_text("utf-8", "surrogateescape")
    return Tree(files, parse_arrows(files.get("ARCHITECTURE.md", "")))


def folder_of(path: str) -> str:
    """The folder of src/ that a path belongs to; `apps` for apps/; "" elsewhere."""
    parts = path.split("/")
    if parts[0] == "apps":
        return "apps"
    return parts[1] if parts[0] == "src" and len(parts) > 2 else ""


def stem_of(path: str) -> str:
    """The stem without the ending that names a backend: ops/rms_norm_cpu.cc gives rms_norm."""
    stem = PurePosixPath(path).stem
    while True:
        shorter = VARIANT.sub("", stem)
        if shorter == stem:
            return stem
        stem = shorter


def is_data(path: str) -> bool:
    return path.startswith(DATA) or path.endswith(BINARY)


def check_include_directions(tree: Tree) -> Iterator[Problem]:
    for path, text in tree.code():
        folder = folder_of(path)
        for include in tidy_scan.includes(text):
            if not include.quoted:
                yield from check_door(path, include)
                continue
            target = resolve(tree, path, include.path)
            if not target:
                yield Problem(path, include.line, "include-path",
                              f'"{include.path}" is no file of the tree seen from src/')
            elif folder and folder_of(target) not in tree.may_include(folder):
                yield Problem(path, include.line, "include-direction",
                              f"{folder} may not include {folder_of(target) or target}")
            elif path.startswith("tests/oracle/") and folder_of(target) not in ("base", ""):
                yield Problem(path, include.line, "include-direction",
                              "the oracle shares no code with what it judges")


def resolve(tree: Tree, path: str, include: str) -> str:
    """The file that a quoted include names; "" if there is none."""
    places = [f"src/{include}", include, f"tests/{include}"]
    if path.startswith("apps/"):
        places.append(str(PurePosixPath(path).parent / include))
    return next((place for place in places if place in tree.files), "")


def check_door(path: str, include: tidy_scan.Include) -> Iterator[Problem]:
    for pattern, where in DOORS:
        if re.match(pattern, include.path) and not re.match(where, path):
            yield Problem(path, include.line, "third-party",
                          f"<{include.path}> has its own door in this tree: {where}")


def check_build_links(tree: Tree) -> Iterator[Problem]:
    """The link list in each folder's CMakeLists.txt is the folder's arrows."""
    for folder, targets in tree.arrows.items():
        path = f"src/{folder}/CMakeLists.txt"
        if folder == "apps":
            continue
        match = re.search(r"^talon_folder\((\w+)([^)]*)\)", tree.files.get(path, ""), re.MULTILINE)
        if not match:
            yield Problem(path, 0, "build-links", f"has no talon_folder({folder} ...)")
        elif match.group(1) != folder or set(match.group(2).split()) != targets:
            yield Problem(path, 0, "build-links",
                          f"links {match.group(2).split()}, ARCHITECTURE.md says {sorted(targets)}")


def check_places(tree: Tree) -> Iterator[Problem]:
    for path in tree.files:
        parts = path.split("/")
        known_source = set(tree.arrows) - {"apps"}
        if len(parts) > 1 and parts[0] not in TOP_FOLDERS:
            yield Problem(path, 0, "place", f"no folder {parts[0]}/ in the tree of ARCHITECTURE.md")
        elif parts[0] == "src" and len(parts) > 2 and parts[1] not in known_source:
            yield Problem(path, 0, "place", f"no folder src/{parts[1]}/ in ARCHITECTURE.md")
        elif parts[0] == "tests" and len(parts) > 2 and parts[1] not in known_source | TEST_FOLDERS:
            yield Problem(path, 0, "place", f"no folder tests/{parts[1]}/ in ARCHITECTURE.md")
        elif parts[0] == "src" and VAGUE.search(PurePosixPath(path).stem):
            yield Problem(path, 0, "place", "a file is named by what is in it")


def check_header_form(tree: Tree) -> Iterator[Problem]:
    for path, text in tree.code():
        if path.endswith((".h", ".cuh")):
            code = tidy_scan.strip(text).lstrip()
            if not code.startswith("#pragma once"):
                yield Problem(path, 1, "pragma-once", "the first line of code is #pragma once")
        elif folder_of(path):
            yield from check_own_header(tree, path, text)


def check_own_header(tree: Tree, path: str, text: str) -> Iterator[Problem]:
    """A source starts with the header of its stem, the longest that exists. A variant may do
    without the header of its op, but does not include it later."""
    parent, stem = PurePosixPath(path).parent, PurePosixPath(path).stem
    stems = [stem]
    while VARIANT.search(stems[-1]):
        stems.append(VARIANT.sub("", stems[-1]))
    headers = [str(parent / f"{name}.h") for name in stems]
    own = next((header for header in headers if header in tree.files), None)
    found = tidy_scan.includes(text)
    is_first = bool(own and found and own.endswith("/" + found[0].path))
    is_used = own == headers[0] or any(own.endswith("/" + i.path) for i in found) if own else False
    if is_used and not is_first:
        yield Problem(path, found[0].line if found else 1, "own-header", f"include {own} first")


def check_banned(tree: Tree) -> Iterator[Problem]:
    for path, text in tree.code():
        stripped = tidy_scan.strip(text)
        for rule, pattern, where, allowed, advice in BANNED:
            if not re.match(where, path) or (allowed and re.match(allowed, path)):
                continue
            for match in re.finditer(pattern, stripped, re.MULTILINE):
                line = stripped.count("\n", 0, match.start()) + 1
                yield Problem(path, line, rule, f"`{match.group(0).strip()}`: {advice}")


def columns_of_code(path: str, line: str) -> int:
    """The length of a line; in Python without the text of its strings, which nobody can break."""
    return len(PYTHON_STRING.sub("", line)) if path.endswith(".py") else len(line)


def check_text(tree: Tree) -> Iterator[Problem]:
    for path, text in tree.files.items():
        if is_data(path):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            if not line.isascii():
                yield Problem(path, number, "ascii", "a character that is not ASCII")
            if MACHINE_PATH.search(line):
                yield Problem(path, number, "machine-path", "an absolute path of some machine")
            if TODO.search(line) and path != "tools/tidy.py" and not path.startswith("docs/"):
                yield Problem(path, number, "todo", "write TODO(#issue)")
            if path.endswith(SIZED) and columns_of_code(path, line) > MAX_COLUMNS:
                yield Problem(path, number, "columns",
                              f"{len(line)} columns, {MAX_COLUMNS} allowed")


def measure_sizes(tree: Tree) -> Iterator[tuple[str, str, int, int, int]]:
    """(path, entry of the ratchet, line, size, limit) of everything over its limit."""
    for path, text in tree.files.items():
        if not path.endswith(SIZED) or is_data(path):
            continue
        num_lines = text.count("\n")
        limit = KERNEL_FILE_LINES if KERNEL_FILE.search(path) else HARD_FILE_LINES
        nesting = MAX_TEST_NESTING if path.startswith(("tests/", "bench/")) else MAX_NESTING
        if num_lines > limit:
            yield path, f"{path} lines", 0, num_lines, limit
        for function in tidy_scan.functions(text) if path.endswith(CODE) else ():
            sizes = (("lines", function.num_lines, MAX_FUNCTION_LINES),
                     ("parameters", function.num_parameters, MAX_PARAMETERS),
                     ("nesting", function.nesting, nesting))
            for what, size, most in sizes:
                if size > most:
                    yield path, f"{path} {function.name} {what}", function.line, size, most


def measure_untested(tree: Tree) -> Iterator[str]:
    """Sources of src/ with no test: tests/x/**/y_test.cc, or a test whose comment says Covers."""
    tested = set()
    for path, text in tree.files.items():
        if path.startswith("tests/") and path.endswith("_test.cc"):
            folder = path.split("/")[1]
            name = re.sub(r"(?:_long|_gpu)?_test$", "", PurePosixPath(path).stem)
            tested.add((folder, name))
            for covers in re.findall(r"^// Covers: (.*)$", text, re.MULTILINE):
                tested.update((c.split("/")[0], stem_of(c)) for c in re.findall(r"[\w/]+", covers))
    for path in tree.files:
        if path.startswith("src/") and path.endswith((".cc", ".cu")):
            if (folder_of(path), stem_of(path)) not in tested:
                yield path


def check_ratchet(tree: Tree, ratchet: dict[str, dict]) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for path, entry, line, size, limit in measure_sizes(tree):
        seen[entry] = max(size, seen.get(entry, 0))
        allowed = ratchet.get("sizes", {}).get(entry, {}).get("size", limit)
        if size > allowed:
            what = entry.removeprefix(path).strip()
            yield Problem(path, line, "size", f"{what}: {size}, {allowed} allowed")
    for entry, kept in ratchet.get("sizes", {}).items():
        yield from check_ratchet_entry(entry, kept, seen.get(entry, 0))
    untested = set(measure_untested(tree))
    for path in untested - set(ratchet.get("untested", {})):
        yield Problem(path, 0, "untested", "no test for this source under tests/")
    for path in set(ratchet.get("untested", {})) - untested:
        yield Problem(path, 0, "ratchet", "has a test now or is gone: run tools/tidy.py --update")


def check_ratchet_entry(entry: str, kept: dict, size: int) -> Iterator[Problem]:
    path = entry.split(" ")[0]
    if not kept.get("reason"):
        yield Problem(path, 0, "ratchet", f"`{entry}` has no reason")
    if size < kept["size"]:
        yield Problem(path, 0, "ratchet", f"`{entry}` fell to {size}: run tools/tidy.py --update")


def check_dead(tree: Tree) -> Iterator[Problem]:
    """Headers that no other stem includes, and test files that no build rule takes."""
    included: dict[str, set[str]] = {}
    for path, text in tree.code():
        for include in tidy_scan.includes(text):
            included.setdefault(resolve(tree, path, include.path), set()).add(path)
    for path in tree.files:
        if path.endswith((".h", ".cuh")):
            if not any(is_other(path, user) for user in included.get(path, ())):
                yield Problem(path, 0, "dead", "no other file includes this header")
        elif path.startswith("tests/") and path.endswith(".cc"):
            parts = path.split("/")
            if parts[1] not in ("oracle", "support", "sim", "fuzz") and not path.endswith("_test.cc"):
                yield Problem(path, 0, "dead", "the build takes *_test.cc only; see tests/support")


def is_other(header: str, user: str) -> bool:
    """Whether an includer is more than the header's own source, or a variant of the same op."""
    own, using = PurePosixPath(header), PurePosixPath(user)
    is_variant = VARIANT.search(own.stem)
    same = own.stem == using.stem if is_variant else stem_of(header) == stem_of(user)
    return own.parent != using.parent or not same


def excused(tree: Tree, problem: Problem) -> bool:
    lines = tree.files.get(problem.path, "").split("\n")
    near = lines[max(0, problem.line - 2):problem.line] if problem.line else lines[:10]
    return any(problem.rule in ALLOW.findall(line) for line in near)


def all_problems(tree: Tree, ratchet: dict[str, dict]) -> list[Problem]:
    checks: Iterable[Iterator[Problem]] = (
        check_include_directions(tree), check_build_links(tree), check_places(tree),
        check_header_form(tree), check_banned(tree), check_text(tree),
        check_ratchet(tree, ratchet), check_dead(tree))
    return sorted({p for check in checks for p in check if not excused(tree, p)})


def lowered(tree: Tree, ratchet: dict[str, dict]) -> dict[str, dict]:
    """The ratchet with fallen numbers taken over and entries dropped that nothing needs."""
    seen: dict[str, int] = {}
    for _, entry, _, size, _ in measure_sizes(tree):
        seen[entry] = max(size, seen.get(entry, 0))
    untested = set(measure_untested(tree))
    sizes = {entry: {**kept, "size": min(kept["size"], seen[entry])}
             for entry, kept in ratchet.get("sizes", {}).items() if entry in seen}
    return {"sizes": sizes,
            "untested": {p: r for p, r in ratchet.get("untested", {}).items() if p in untested}}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--update", action="store_true", help="lower the ratchet")
    parser.add_argument("--soft", action="store_true", help="also list files over the soft limit")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args(argv)
    tree = load_tree(options.root)
    ratchet_file = options.root / "tools" / "tidy_ratchet.json"
    ratchet = json.loads(ratchet_file.read_text()) if ratchet_file.exists() else {}
    if options.update:
        ratchet = lowered(tree, ratchet)
        ratchet_file.write_text(json.dumps(ratchet, indent=2, sort_keys=True) + "\n")
    problems = all_problems(tree, ratchet)
    if options.files:
        problems = [p for p in problems if p.path in options.files]
    for problem in problems:
        print(problem)
    if options.soft:
        for path, text in tree.files.items():
            if path.endswith(SIZED) and not is_data(path) and text.count("\n") > SOFT_FILE_LINES:
                print(f"{path}: {text.count(chr(10))} lines, {SOFT_FILE_LINES} wished for")
    print(f"tidy: {len(tree.files)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
