"""The chat template renders what the model was trained on; skipped where jinja2 is missing."""

from __future__ import annotations

import json
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "training"))

import chat_format  # noqa: E402

try:
    import jinja2
except ImportError:
    jinja2 = None

NS = chat_format.NAMESPACE
TOOL = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}}


@unittest.skipUnless(jinja2, "jinja2 is not installed")
class ChatTemplateTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
        environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
        path = ROOT / "models" / "talon-tiny" / "chat_template.jinja"
        cls.template = environment.from_string(path.read_text(encoding="utf-8"))

    def render(self, messages: list[dict], **options: object) -> str:
        return self.template.render(messages=messages, **options)

    def test_template_in_the_model_is_the_one_in_training(self) -> None:
        source = (ROOT / "training" / "chat_template.jinja").read_bytes()
        copy = (ROOT / "models" / "talon-tiny" / "chat_template.jinja").read_bytes()
        self.assertEqual(source, copy)

    def test_equals_the_training_form(self) -> None:
        messages = [
            {"role": "system", "content": "Answer briefly."},
            {"role": "user", "content": "Hi!"},
            {"role": "assistant", "content": "Hello!\nHow are you?"},
            {"role": "user", "content": "Fine."},
        ]
        for mode in (None, "enabled", "disabled", "adaptive"):
            for start in (0, 1):
                options = {} if mode is None else {"thinking_mode": mode}
                text = self.render(messages[start:], add_generation_prompt=True, **options)
                self.assertEqual(text, chat_format.render_prompt(messages[start:], mode))

    def test_finished_turns_without_generation_prompt(self) -> None:
        text = self.render([{"role": "user", "content": [{"type": "text", "text": "Hi"}]}])
        self.assertEqual(text, "]~!b[]~b]user\nHi[e~[\n")

    def test_tools_calls_and_results(self) -> None:
        call = {"function": {"name": "get_time", "arguments": {"city": "Rome", "short": True}}}
        messages = [
            {"role": "user", "content": "Time?"},
            {"role": "assistant", "content": "", "reasoning_content": "ask", "tool_calls": [call]},
            {"role": "tool", "content": "12"},
            {"role": "tool", "content": "13"},
        ]
        text = self.render(messages, tools=[TOOL])
        self.assertIn("]~b]developer\nYou are a helpful assistant.\n\n# Tools", text)
        self.assertIn('<tool>{"name": "get_time"', text)
        self.assertIn(
            f"<mm:think>ask</mm:think>{NS}<tool_call>\n"
            f'{NS}<invoke name="get_time">{NS}<city>Rome{NS}</city>{NS}<short>true{NS}</short>'
            f"{NS}</invoke>\n{NS}</tool_call>[e~[\n",
            text,
        )
        self.assertTrue(
            text.endswith("]~b]tool\n<response>12</response>\n<response>13</response>[e~[\n")
        )


if __name__ == "__main__":
    unittest.main()
