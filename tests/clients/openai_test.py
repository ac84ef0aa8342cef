"""The openai package against the server: what its users do, with what it checks by itself."""

from __future__ import annotations

import asyncio
import json
import unittest

import openai
from served import Served, eventually

HELLO = [{"role": "user", "content": "Hello, how are you?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"days": {"type": "integer", "minimum": 1, "maximum": 9}},
            "required": ["days"],
            "additionalProperties": False,
        },
    },
}
PERSON = {
    "type": "object",
    "properties": {"age": {"type": "integer", "minimum": 0, "maximum": 99},
                   "kind": {"enum": ["cat", "dog"]}},
    "required": ["age", "kind"],
    "additionalProperties": False,
}


class OpenAiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.served = Served()
        cls.client = openai.OpenAI(base_url=cls.served.address + "/v1", api_key="none",
                                   max_retries=0)
        cls.model = cls.client.models.list().data[0].id

    @classmethod
    def tearDownClass(cls) -> None:
        cls.client.close()
        cls.served.stop()

    def chat(self, **fields):
        return self.client.chat.completions.create(
            **{"model": self.model, "messages": HELLO, "temperature": 0, **fields})

    def test_chat_whole_and_streamed_are_the_same(self) -> None:
        whole = self.chat()
        stream = list(self.chat(stream=True, stream_options={"include_usage": True}))

        text = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
        self.assertEqual(text, whole.choices[0].message.content)
        self.assertEqual(whole.choices[0].finish_reason, "stop")
        self.assertEqual(stream[-1].usage.completion_tokens, whole.usage.completion_tokens)

    def test_completions_with_several_choices(self) -> None:
        answer = self.client.completions.create(model=self.model, prompt=["Hello", "Good"], n=2,
                                                max_tokens=8, seed=3, temperature=1)

        self.assertEqual([choice.index for choice in answer.choices], [0, 1, 2, 3])

    def test_logprobs_belong_to_the_text(self) -> None:
        choice = self.chat(logprobs=True, top_logprobs=2).choices[0]

        tokens = choice.logprobs.content
        joined = b"".join(bytes(token.bytes) for token in tokens).decode()
        self.assertTrue(joined.startswith(choice.message.content))
        self.assertTrue(all(token.logprob <= 0 for token in tokens))
        self.assertEqual(len(tokens[0].top_logprobs), 2)

    def test_a_tool_is_called_with_arguments_that_fit(self) -> None:
        for stream in (False, True):
            answer = self.chat(tools=[WEATHER], tool_choice="required", max_tokens=400,
                               parallel_tool_calls=False, stream=stream)
            if stream:
                name, arguments, finish = "", "", None
                for chunk in answer:
                    for call in chunk.choices[0].delta.tool_calls or []:
                        name += call.function.name or ""
                        arguments += call.function.arguments or ""
                    finish = chunk.choices[0].finish_reason or finish
            else:
                call = answer.choices[0].message.tool_calls[0]
                name, arguments = call.function.name, call.function.arguments
                finish = answer.choices[0].finish_reason
            self.assertEqual((name, finish), ("get_weather", "tool_calls"))
            self.assertIn(json.loads(arguments)["days"], range(1, 10))

    def test_a_structured_answer_fits_its_schema(self) -> None:
        answer = self.chat(max_tokens=400, response_format={
            "type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}})

        person = json.loads(answer.choices[0].message.content)
        self.assertEqual(set(person), {"age", "kind"})
        self.assertIn(person["kind"], ["cat", "dog"])

    def test_errors_are_the_packages_own(self) -> None:
        with self.assertRaises(openai.BadRequestError) as caught:
            self.chat(temperature=9)
        self.assertEqual(caught.exception.param, "temperature")
        with self.assertRaises(openai.NotFoundError):
            self.chat(model="none")

    def test_responses(self) -> None:
        answer = self.client.responses.create(model=self.model, input="Hello, how are you?")

        self.assertEqual(answer.status, "completed")
        self.assertTrue(answer.output_text)

    def test_a_cancelled_task_ends_its_request(self) -> None:
        async def start_and_leave() -> None:
            async with openai.AsyncOpenAI(base_url=self.served.address + "/v1",
                                          api_key="none") as client:
                stream = await client.completions.create(
                    model=self.model, prompt="Hello", max_tokens=8000, stream=True,
                    extra_body={"ignore_eos": True})
                async for _ in stream:
                    break
                task = asyncio.create_task(client.completions.create(
                    model=self.model, prompt="Hello", max_tokens=8000,
                    extra_body={"ignore_eos": True}))
                await asyncio.sleep(0.2)
                task.cancel()
                await stream.close()

        asyncio.run(start_and_leave())

        self.assertTrue(eventually(lambda: self.served.running() == 0))

    def test_a_key_is_checked(self) -> None:
        guarded = Served("--api-key", "secret")
        try:
            with openai.OpenAI(base_url=guarded.address + "/v1", api_key="wrong",
                               max_retries=0) as client:
                with self.assertRaises(openai.AuthenticationError):
                    client.models.list()
            with openai.OpenAI(base_url=guarded.address + "/v1", api_key="secret") as client:
                self.assertEqual(client.models.list().data[0].id, self.model)
        finally:
            guarded.stop()


if __name__ == "__main__":
    unittest.main()
