"""256 streams at once, some slow readers and some that leave: every answer is the one that its
own prompt has alone, nothing is left behind, and memory does not grow with the requests."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
import unittest
from pathlib import Path

from served import Served, eventually

STREAMS = 256
PROMPTS = [f"Question: Ann has {i} pens and buys {i + 3} more. How many pens?\nAnswer:"
           for i in range(16)]


class Load:
    def __init__(self, address: str) -> None:
        self.host, self.port = address.removeprefix("http://").split(":")
        self.first_token: list[float] = []
        self.between: list[float] = []

    async def stream(self, prompt: str, pause: float = 0.0, leave_after: int = 0) -> str:
        """The text of one answer; `leave_after` frames the client goes away."""
        body = json.dumps({"prompt": prompt, "max_tokens": 64, "temperature": 0, "stream": True})
        reader, writer = await asyncio.open_connection(self.host, int(self.port))
        start = last = time.perf_counter()
        writer.write(f"POST /v1/completions HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n{body}"
                     .encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head, head
        text, frames, whole = "", 0, False
        while line := await reader.readline():
            if not line.startswith(b"data: "):
                continue
            if line == b"data: [DONE]\n":
                whole = True
                break
            now = time.perf_counter()
            (self.between if frames else self.first_token).append(
                now - (last if frames else start))
            last, frames = now, frames + 1
            text += json.loads(line[6:])["choices"][0]["text"]
            if leave_after and frames >= leave_after:
                break
            if pause:
                await asyncio.sleep(pause)
        writer.close()
        assert whole or leave_after, "a stream ended early"
        return text

    async def run(self, expected: list[str], seed: int) -> int:
        """One wave; the number of answers that are not those of their prompts."""
        draw = random.Random(seed)

        async def one(i: int) -> bool:
            kind = draw.random()
            if kind < 0.2:
                await self.stream(PROMPTS[i % 16], leave_after=draw.randint(1, 4))
                return True
            pause = 0.02 if kind < 0.4 else 0.0
            return await self.stream(PROMPTS[i % 16], pause) == expected[i % 16]

        results = await asyncio.gather(*(one(i) for i in range(STREAMS)))
        return results.count(False)


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


class LoadTest(unittest.TestCase):
    def test_256_streams_keep_apart_and_leave_nothing(self) -> None:
        served = Served("--max-queue-len", "1024", "--disable-access-log")
        self.addCleanup(served.stop)
        load = Load(served.address)

        async def alone() -> list[str]:
            return [await load.stream(prompt) for prompt in PROMPTS]

        expected = asyncio.run(alone())
        wrong = asyncio.run(load.run(expected, 1))
        settled = resident_bytes(served.process.pid)
        load.first_token.clear()
        load.between.clear()
        start = time.perf_counter()
        for seed in range(2, 6):
            wrong += asyncio.run(load.run(expected, seed))
        took = time.perf_counter() - start

        self.assertEqual(wrong, 0)
        self.assertTrue(eventually(lambda: served.running() == 0))
        self.assertLess(resident_bytes(served.process.pid) - settled, 32 * 1024 * 1024)
        for name, times in (("first token", load.first_token), ("between frames", load.between)):
            ms = sorted(1000 * t for t in times)
            print(f"{name}: p50 {statistics.median(ms):.0f} ms, p99 {ms[len(ms) * 99 // 100]:.0f} ms")
        print(f"{4 * STREAMS} streams in {took:.1f} s")


if __name__ == "__main__":
    unittest.main()
