"""The anthropic package against /v1/messages."""

from __future__ import annotations

import unittest

import anthropic
from served import Served

HELLO = [{"role": "user", "content": "Hello, how are you?"}]


class AnthropicTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.served = Served()
        cls.client = anthropic.Anthropic(base_url=cls.served.address, api_key="none",
                                         max_retries=0)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.client.close()
        cls.served.stop()

    def test_a_message_whole_and_streamed(self) -> None:
        fields = {"model": "talon-tiny", "max_tokens": 60, "messages": HELLO}
        whole = self.client.messages.create(**fields)
        with self.client.messages.stream(**fields) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()

        self.assertEqual(whole.stop_reason, "end_turn")
        self.assertEqual(text, whole.content[0].text)
        self.assertEqual(final.usage.output_tokens, whole.usage.output_tokens)

    def test_tokens_are_counted(self) -> None:
        count = self.client.messages.count_tokens(model="talon-tiny", messages=HELLO)

        self.assertGreater(count.input_tokens, 4)

    def test_errors_are_the_packages_own(self) -> None:
        with self.assertRaises(anthropic.BadRequestError):
            self.client.messages.create(model="talon-tiny", max_tokens=0, messages=HELLO)


if __name__ == "__main__":
    unittest.main()
