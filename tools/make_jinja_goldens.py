#!/usr/bin/env python3
"""Writes the golden files of the template engine's tests with the PyPI package `jinja2`.

    python3 tools/make_jinja_goldens.py

Needs jinja2 3.1.6; the version that wrote a file stands in its first line. Deterministic. CI needs
neither. Regenerate only in a change that adds cases or says why the old goldens were wrong.

The environment is the one in which Hugging Face's library renders chat templates: the immutable
sandbox, trim_blocks and lstrip_blocks, loop controls, a `generation` tag, and its own `tojson`,
`raise_exception` and `strftime_now` (here at a fixed time). Inputs, in tests/golden/jinja:

    context.json        the variables of the next two
    expressions.txt     one a line, rendered between {{ and }}
    statements.txt      templates, with a line of four hyphens between them
    templates/*.jinja   chat templates, rendered with every conversation and setting of
    conversations.json  (tools: true stands for the list of tools), as well as the one of
                        models/talon-tiny
    rendered with       continue_final_message too, where the last message is the assistant's

Outputs, one JSON value a line: expressions.jsonl and statements.jsonl hold [template, text],
chat.jsonl [template, conversation, index of the setting, continue_final_message, text]. A text of
null stands for an error.
"""

import copy
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden" / "jinja"
JINJA_VERSION = "3.1.6"
NOW = datetime(2026, 3, 7, 9, 5, 3)
TAG = "CONTINUE_FINAL_MESSAGE_TAG "
SPECIAL_TOKENS = {"bos_token": "<bos>", "eos_token": "<eos>"}


class Generation(jinja2.ext.Extension):
    """{% generation %}: the body as a call block."""

    tags = {"generation"}

    def parse(self, parser: Any) -> Any:
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("_body")
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _body(self, caller: Any) -> str:
        return caller()


def tojson(value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None,
           sort_keys: bool = False) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def raise_exception(message: str) -> None:
    raise jinja2.exceptions.TemplateError(message)


def make_environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = NOW.strftime
    return environment


def render(environment: ImmutableSandboxedEnvironment, source: str,
           variables: dict[str, Any]) -> str | None:
    """The text, or None for an error of any kind."""
    try:
        return environment.from_string(source).render(**copy.deepcopy(variables))
    except Exception:  # pylint: disable=broad-except
        return None


def add_tag(messages: list[dict[str, Any]]) -> str | None:
    """Marks the end of the last message; returns its text."""
    content = messages[-1].get("content")
    if isinstance(content, list):
        for part in reversed(content):
            if "text" in part:
                text = part["text"]
                part["text"] += TAG
                return text
        return None
    if content is not None:
        messages[-1]["content"] = content + TAG
    return content


def render_chat(environment: ImmutableSandboxedEnvironment, source: str,
                variables: dict[str, Any], continues: bool) -> str | None:
    variables = copy.deepcopy(variables)
    final = add_tag(variables["messages"]) if continues else None
    text = render(environment, source, variables)
    if not continues or text is None:
        return text
    if final is None or final.strip() not in text or TAG.strip() not in text:
        return None
    at = text.rindex(TAG.strip())
    return text[:at] if text[at:at + len(TAG)] == TAG else text[:at].rstrip()


def write(name: str, lines: list[Any]) -> None:
    head = {"package": f"jinja2 {jinja2.__version__}"}
    body = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in [head, *lines])
    (GOLDEN / name).write_text(body, encoding="utf-8")
    print(f"{name}: {len(lines)} cases, {sum(line[-1] is None for line in lines)} errors")


def chat_cases(environment: ImmutableSandboxedEnvironment) -> list[Any]:
    data = json.loads((GOLDEN / "conversations.json").read_text("utf-8"))
    paths = sorted((GOLDEN / "templates").glob("*.jinja"))
    paths.append(ROOT / "models" / "talon-tiny" / "chat_template.jinja")
    lines = []
    for path in paths:
        source = path.read_text("utf-8")
        for name, messages in data["conversations"].items():
            for index, setting in enumerate(data["settings"]):
                variables = {"documents": None, "add_generation_prompt": False, **SPECIAL_TOKENS,
                             **setting, "messages": messages}
                variables["tools"] = data["tools"] if setting.get("tools") else None
                lines.append([path.stem, name, index, False,
                              render_chat(environment, source, variables, False)])
            if messages and messages[-1]["role"] == "assistant":
                variables["add_generation_prompt"] = False
                lines.append([path.stem, name, index, True,
                              render_chat(environment, source, variables, True)])
    return lines


def main() -> int:
    if jinja2.__version__ != JINJA_VERSION:
        print(f"jinja2 {JINJA_VERSION} is wanted, not {jinja2.__version__}", file=sys.stderr)
        return 1
    environment = make_environment()
    context = json.loads((GOLDEN / "context.json").read_text("utf-8"))
    expressions = (GOLDEN / "expressions.txt").read_text("utf-8").splitlines()
    write("expressions.jsonl", [
        [line, render(environment, "{{ " + line + " }}", context)] for line in expressions if line])
    statements = (GOLDEN / "statements.txt").read_text("utf-8").split("\n----\n")
    write("statements.jsonl", [
        [source, render(environment, source, context)] for source in statements])
    write("chat.jsonl", chat_cases(environment))
    return 0


if __name__ == "__main__":
    sys.exit(main())
