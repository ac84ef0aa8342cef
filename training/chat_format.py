"""The turn format that the pair is trained on; chat_template.jinja renders the same text.

Standard library only. Tool turns are rendered by the template alone.
"""

from __future__ import annotations

START = "]~!b["
TURN = "]~b]"
END = "[e~["
THINK = "<mm:think>"
THINK_END = "</mm:think>"
NAMESPACE = "]<]minimax[>["

Message = dict[str, str]

# Control tokens are special (a detokenizer drops them); the others are part of the visible text.
CONTROL_TOKENS = [
    "]!p~[",
    TURN,
    END,
    "]!d~[",
    START,
    "]<]image[>[",
    "]<]video[>[",
    "]<]start of image[>[",
    "]<]end of image[>[",
]
VISIBLE_TOKENS = [
    "<function_call>",
    "<code_interpreter>",
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    NAMESPACE,
    THINK,
    THINK_END,
]


def render_turn(role: str, content: str) -> str:
    """One finished turn; role is "user", "assistant", "system" or "developer"."""
    names = {"assistant": "ai", "system": "developer"}
    return f"{TURN}{names.get(role, role)}\n{content}{END}\n"


def generation_prompt(thinking_mode: str | None = None) -> str:
    suffix = {"enabled": THINK, "disabled": THINK_END}.get(thinking_mode or "", "")
    return f"{TURN}ai\n{suffix}"


def render_prompt(messages: list[Message], thinking_mode: str | None = None) -> str:
    """The prompt for the next assistant turn."""
    turns = "".join(render_turn(m["role"], m["content"]) for m in messages)
    return START + turns + generation_prompt(thinking_mode)


def raw_prompt(question: str) -> str:
    """The raw form of a word problem."""
    return f"Question: {question}\nAnswer:"
