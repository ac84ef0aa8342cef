"""Reads C++ well enough to measure it: code without comments and strings, includes, functions.

This is no parser. It relies on how the tree is formatted (clang-format, braces everywhere), and it
prefers to miss a function over inventing one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"""//[^\n]*                                    # line comment
      | /\*.*?\*/                                  # block comment
      | R"(?P<d>[^()\\\s]{0,16})\(.*?\)(?P=d)"     # raw string
      | "(?:\\.|[^"\\\n])*"                        # string
      | (?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])*'       # character, but not a digit separator
    """,
    re.VERBOSE | re.DOTALL,
)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
CONTROL = re.compile(r"^(?:else\s+)?(?:if|for|while|switch)\b|^(?:else|do|try)$|^catch\b")
SCOPE = re.compile(r"^(?:\w+\s+)*?(?:namespace|class|struct|union|enum|extern)\b")
LAMBDA_TAIL = re.compile(r"\[[^\[\]]*\]\s*(?:<[^{}]*>)?\s*(?:\(|$|mutable|noexcept|->)")


@dataclass(frozen=True)
class Include:
    line: int
    path: str
    quoted: bool


@dataclass(frozen=True)
class Function:
    name: str
    line: int
    num_lines: int
    num_parameters: int
    nesting: int


def strip(text: str, keep_strings: bool = False) -> str:
    """The text with comments (and strings) blanked, so that offsets and lines stay as they were."""

    def blank(match: re.Match[str]) -> str:
        token = match.group(0)
        if keep_strings and token[0] in "\"'R":
            return token
        body = re.sub(r"[^\n]", " ", token)
        return '"' + body[1:-1] + '"' if token[0] in '"R' and len(body) >= 2 else body

    return TOKEN.sub(blank, text)


def includes(text: str) -> list[Include]:
    code = strip(text, keep_strings=True)
    found = []
    for match in INCLUDE.finditer(code):
        line = code.count("\n", 0, match.start()) + 1
        found.append(Include(line, match.group(1) or match.group(2), match.group(1) is not None))
    return found


def without_preprocessor(code: str) -> str:
    """Directives with their continued lines, blanked."""
    return re.sub(
        r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), code,
        flags=re.MULTILINE)


class _FunctionReader:
    """Walks the braces of one file. Outside functions it looks for heads of functions; inside one
    it counts the depth of control blocks, a lambda counting from nought again."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.found: list[Function] = []
        self.stack: list[tuple[str, int]] = []  # kind of block, parentheses open around it
        self.head_start = 0
        self.parens = 0
        self.current: tuple[str, int, int, int] | None = None  # name, line, parameters, depth
        self.control: list[int] = [0]
        self.deepest = 0

    def read(self) -> list[Function]:
        for match in re.finditer(r"[(){};]", self.code):
            char, at = match.group(0), match.start()
            if char == "(":
                self.parens += 1
            elif char == ")":
                self.parens -= 1
            elif char == "{":
                self._open(at)
            elif char == "}":
                self._close(at)
            elif self.parens == 0:
                self.head_start = at + 1
        return self.found

    def _line(self, at: int) -> int:
        return self.code.count("\n", 0, at) + 1

    def _open(self, at: int) -> None:
        raw = self.code[self.head_start:at]
        kind = classify(raw.strip(), self.current is not None)
        if self.parens > 0 and kind != "lambda":
            kind = "inner"
        if kind == "function":
            head = unlabelled(raw)
            name, num_parameters = signature(head)
            self.current = (name, self._line(at - len(head)), num_parameters, len(self.stack))
            self.control, self.deepest = [0], 0
        elif kind == "control":
            self.control[-1] += 1
            self.deepest = max(self.deepest, self.control[-1])
        elif kind == "lambda":
            self.control.append(0)
        self.stack.append((kind, self.parens))
        self.parens = 0
        if kind != "inner":
            self.head_start = at + 1

    def _close(self, at: int) -> None:
        if not self.stack:
            return
        kind, self.parens = self.stack.pop()
        if kind == "control":
            self.control[-1] -= 1
        elif kind == "lambda" and len(self.control) > 1:
            self.control.pop()
        elif kind == "function" and self.current is not None:
            name, line, num_parameters, _ = self.current
            self.found.append(
                Function(name, line, self._line(at) - line + 1, num_parameters, self.deepest))
            self.current = None
        if kind != "inner":
            self.head_start = at + 1


def functions(text: str) -> list[Function]:
    """The function definitions of a file, outermost ones only, with their sizes."""
    return _FunctionReader(without_preprocessor(strip(text))).read()


NOT_NAMES = ("requires", "decltype", "noexcept", "alignas", "__launch_bounds__")
LABELS = re.compile(
    r"^\s*(?:(?:public|private|protected)\s*:\s*|(?:case\b[^:]*|default)\s*:(?!:)\s*)*")
# A member in a constructor's initialisers is about to be braced: `: size_(n), data_` and `{`.
INITIALISER = re.compile(r"\)\s*(?:noexcept\s*)?:(?!:).*[\w>]$", re.DOTALL)


def unlabelled(head: str) -> str:
    """The head from its first character after access specifiers and case labels."""
    return head[LABELS.match(head).end():].lstrip()


def classify(head: str, inside_function: bool) -> str:
    """What the brace after `head` opens: scope, function, control, lambda, inner (part of an
    expression or declaration that goes on) or plain."""
    head = re.sub(r"\[\[.*?\]\]", "", unlabelled(head), flags=re.DOTALL).strip()
    if inside_function:
        if CONTROL.match(head):
            return "control"
        return "lambda" if LAMBDA_TAIL.search(head) else "plain"
    bare = re.sub(r"^template\s*<.*?>\s*(?=\w)", "", head, flags=re.DOTALL)
    is_scope = SCOPE.match(bare) and not re.search(r"\)\s*(?:const|noexcept|override|->|$)", bare)
    if is_scope:
        return "scope"
    if "(" in head and not head.endswith("=") and signature(head)[0]:
        return "inner" if INITIALISER.search(head) else "function"
    return "plain"


def signature(head: str) -> tuple[str, int]:
    """Name and number of parameters from the text before a body; ("", 0) if it is no function."""
    head = re.sub(r"\[\[.*?\]\]", "", head, flags=re.DOTALL)
    match = re.search(r"((?:operator\s*(?:\(\)|[^\s\w(]+|\w+))|~?[A-Za-z_]\w*)\s*\(", head)
    while match and match.group(1) in NOT_NAMES:
        match = re.compile(r"(~?[A-Za-z_]\w*)\s*\(").search(head, match.end())
    if not match or "=" in re.sub(r"operator\s*[^\s\w(]+", "", head[: match.start()]).split("<")[0]:
        return "", 0
    depth, parameters, blank = 0, 1, True
    for char in head[match.end():]:
        if char in "([{<":
            depth += 1
        elif char == ")" and depth == 0:
            break
        elif char in ")]}>":
            depth -= 1
        elif char == "," and depth == 0:
            parameters += 1
        if not char.isspace():
            blank = False
    return match.group(1), 0 if blank else parameters
