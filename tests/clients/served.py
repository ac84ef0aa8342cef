"""A server of the embedded pair on a free port, for tests with real clients."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable

PROGRAM = os.environ["TALON_PROGRAM"]


class Served:
    def __init__(self, *flags: str) -> None:
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--host", "127.0.0.1", "--port", "0", *flags],
            stdout=subprocess.PIPE, stderr=self.errors, text=True)
        line = self.process.stdout.readline()
        assert "serving" in line, line
        self.address = "http://127.0.0.1:" + line.rsplit(":", 1)[1].strip()

    def running(self) -> float:
        """The requests that run now."""
        with urllib.request.urlopen(self.address + "/metrics") as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith("talon:requests_running{"):
                    return float(line.rsplit(" ", 1)[1])
        raise AssertionError("no such metric")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        self.process.stdout.close()
        self.errors.close()


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False
