"""Sends many short requests to a server of the embedded pair, many at once: streamed and whole,
some of whose clients leave early. Each answer must be the one that its prompt gets alone. Prints
one JSON object: what was lost or mixed, times, memory on the way, and the processor time of the
HTTP thread beside that of the others.

Usage: tools/load_run.py PROGRAM [--requests 20000] [--at-once 128] [--max-tokens 12]
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NUM_PROMPTS = 200
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def read_prompts() -> list[str]:
    with (ROOT / "data/eval/word_problems.jsonl").open() as lines:
        return [f"Question: {json.loads(next(lines))['question']}\nAnswer:"
                for _ in range(NUM_PROMPTS)]


def resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**20


def thread_seconds(pid: int) -> dict[int, float]:
    """Processor seconds of each thread. The first, of the process's own id, serves HTTP."""
    seconds = {}
    for folder in Path(f"/proc/{pid}/task").iterdir():
        fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        seconds[int(folder.name)] = (int(fields[11]) + int(fields[12])) / TICK
    return seconds


class Run:
    def __init__(self, port: int, pid: int, options: argparse.Namespace) -> None:
        self.port, self.pid, self.options = port, pid, options
        self.counts: collections.Counter[str] = collections.Counter()
        self.first_token: list[float] = []
        self.between: list[float] = []
        self.memory: dict[int, float] = {}
        self.prompts = read_prompts()
        self.expected: list[str] = []

    async def send(self, prompt: str, stream: bool) -> tuple:
        body = json.dumps({"prompt": prompt, "max_tokens": self.options.max_tokens,
                           "temperature": 0, "stream": stream})
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"POST /v1/completions HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n{body}"
                     .encode())
        return reader, writer

    async def whole(self, prompt: str) -> str | None:
        reader, writer = await self.send(prompt, False)
        answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            return None
        return json.loads(body)["choices"][0]["text"]

    async def streamed(self, prompt: str, leave_after: int = 0) -> str | None:
        start = last = time.perf_counter()
        reader, writer = await self.send(prompt, True)
        text, frames, is_whole = "", 0, False
        while line := await reader.readline():
            if line == b"data: [DONE]\n":
                is_whole = True
                break
            if not line.startswith(b"data: {"):
                continue
            now = time.perf_counter()
            (self.between if frames else self.first_token).append(now - (last if frames else start))
            last, frames = now, frames + 1
            frame = json.loads(line[6:])
            if "choices" not in frame:  # an error
                break
            text += frame["choices"][0]["text"]
            if leave_after and frames >= leave_after:
                break
        writer.close()
        return text if is_whole or leave_after else None

    async def leave(self, prompt: str, after: float) -> None:
        _, writer = await self.send(prompt, False)
        await writer.drain()
        await asyncio.sleep(after)
        writer.close()

    async def one(self, draw: random.Random) -> None:
        index = draw.randrange(NUM_PROMPTS)
        kind = draw.random()
        prompt, expected = self.prompts[index], self.expected[index]
        if kind < 0.05:
            await self.leave(prompt, draw.random() / 2)
            self.counts["left"] += 1
            return
        if kind < 0.15:
            text = await self.streamed(prompt, leave_after=draw.randint(1, 3))
            is_right = text is not None and expected.startswith(text)
            self.counts["left"] += 1
        elif kind < 0.6:
            text = await self.streamed(prompt)
            is_right = text == expected
            self.counts["streamed"] += 1
        else:
            text = await self.whole(prompt)
            is_right = text == expected
            self.counts["whole"] += 1
        self.counts["lost" if text is None else "right" if is_right else "mixed"] += 1

    async def work(self, draw: random.Random) -> None:
        while self.counts["begun"] < self.options.requests:
            self.counts["begun"] += 1
            await self.one(draw)
            self.counts["ended"] += 1
            if self.counts["ended"] % max(1, self.options.requests // 20) == 0:
                self.memory[self.counts["ended"]] = round(resident_mib(self.pid), 1)

    async def run(self) -> None:
        for prompt in self.prompts:
            self.expected.append(await self.whole(prompt))
        before = thread_seconds(self.pid)
        start = time.perf_counter()
        await asyncio.gather(*(self.work(random.Random(i)) for i in range(self.options.at_once)))
        self.seconds = time.perf_counter() - start
        self.threads = {thread: seconds - before.get(thread, 0.0)
                        for thread, seconds in thread_seconds(self.pid).items()}

    def left_behind(self) -> dict[str, float]:
        """What the server says that it still holds."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        names = ("talon:requests_running", "talon:requests_waiting", "talon:kv_pages_used")
        return {line.split("{")[0]: float(line.rsplit(" ", 1)[1]) for line in lines
                if line.startswith(names)}

    def report(self) -> dict:
        def percentiles(times: list[float]) -> dict[str, float]:
            ms = sorted(1000 * t for t in times)
            return {"p50_ms": round(statistics.median(ms), 1),
                    "p99_ms": round(ms[len(ms) * 99 // 100], 1)}

        http = self.threads[self.pid]
        return {"requests": self.counts["ended"], "at_once": self.options.at_once,
                "different_answers": len(set(self.expected)),
                **{kind: self.counts[kind]
                   for kind in ("streamed", "whole", "left", "right", "lost", "mixed")},
                "seconds": round(self.seconds, 1), "first_token": percentiles(self.first_token),
                "between_frames": percentiles(self.between), "resident_mib": self.memory,
                "http_thread_s": round(http, 1),
                "other_threads_s": sorted((round(s, 1) for t, s in self.threads.items()
                                           if t != self.pid), reverse=True),
                "left_behind": self.left_behind()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--requests", type=int, default=20000)
    parser.add_argument("--at-once", type=int, default=128)
    parser.add_argument("--max-tokens", type=int, default=12)
    options = parser.parse_args()
    server = subprocess.Popen(
        [options.program, "serve", "--host", "127.0.0.1", "--port", "0", "--disable-access-log"],
        stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline().rsplit(":", 1)[1])
        run = Run(port, server.pid, options)
        asyncio.run(run.run())
        time.sleep(1.0)  # those that left are cancelled
        report = run.report()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=60)
    print(json.dumps(report, indent=2))
    is_clean = not any(report["left_behind"].values())
    return 0 if report["lost"] + report["mixed"] == 0 and is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
