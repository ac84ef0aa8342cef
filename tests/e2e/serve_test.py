"""`talon serve` as a client meets it: starts on the embedded pair, streams, notices clients that
leave, refuses what is malformed, and drains on SIGTERM."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

PROGRAM = os.environ["TALON_PROGRAM"]
QUESTION = "Question: Mia has 14 apples and buys 9 more. How many apples does she have now?\nAnswer:"


class Server:
    """A server process on a free port."""

    def __init__(self, *flags: str) -> None:
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--host", "127.0.0.1", "--port", "0", *flags],
            stdout=subprocess.PIPE, stderr=self.errors, text=True)
        line = self.process.stdout.readline()
        assert "serving" in line, self.log()
        self.port = int(line.rsplit(":", 1)[1])

    def log(self) -> str:
        self.errors.seek(0)
        return self.errors.read()

    def call(self, method: str, path: str, body: object = None, headers: dict | None = None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = body if isinstance(body, (bytes, str, type(None))) else json.dumps(body)
        connection.request(method, path, data, headers or {})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def complete(self, **fields: object) -> dict:
        status, text = self.call("POST", "/v1/completions", {"prompt": QUESTION, **fields})
        assert status == 200, text
        return json.loads(text)

    def metric(self, name: str) -> float:
        _, text = self.call("GET", "/metrics")
        values = [line.rsplit(" ", 1)[1] for line in text.splitlines()
                  if line.startswith(f"talon:{name}{{")]
        return float(values[0])

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=60)
        finally:
            self.process.stdout.close()
            self.errors.close()


def eventually(condition, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


class ServeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.stop()

    def test_answers_as_the_command_does(self) -> None:
        done = subprocess.run([PROGRAM, "generate", "--prompt", QUESTION, "--json"],
                              capture_output=True, text=True, check=True, timeout=120)
        expected = json.loads(done.stdout)["text"]

        answer = self.server.complete(max_tokens=512, temperature=0)

        self.assertEqual(answer["choices"][0]["text"], expected)
        self.assertEqual(answer["choices"][0]["finish_reason"], "stop")

    def test_a_stream_has_frames_usage_and_an_end(self) -> None:
        status, text = self.server.call("POST", "/v1/completions", {
            "prompt": QUESTION, "max_tokens": 64, "temperature": 0, "stream": True,
            "stream_options": {"include_usage": True}})

        frames = text.removesuffix("\n\n").split("\n\n")
        self.assertEqual(status, 200)
        self.assertEqual(frames[-1], "data: [DONE]")
        usage = json.loads(frames[-2].removeprefix("data: "))
        self.assertEqual(usage["choices"], [])
        joined = "".join(json.loads(frame.removeprefix("data: "))["choices"][0]["text"]
                         for frame in frames[:-2])
        whole = self.server.complete(max_tokens=64, temperature=0)
        self.assertEqual(joined, whole["choices"][0]["text"])
        self.assertEqual(usage["usage"], whole["usage"] | {
            "prompt_tokens_details": usage["usage"]["prompt_tokens_details"]})

    def test_a_client_that_leaves_is_cancelled(self) -> None:
        connection = socket.create_connection(("127.0.0.1", self.server.port))
        body = json.dumps({"prompt": QUESTION, "max_tokens": 8000, "ignore_eos": True})
        connection.sendall(f"POST /v1/completions HTTP/1.1\r\nHost: x\r\n"
                           f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        self.assertTrue(eventually(lambda: self.server.metric("requests_running") == 1))

        connection.close()

        self.assertTrue(eventually(lambda: self.server.metric("requests_running") == 0))
        self.assertTrue(eventually(lambda: self.server.metric("kv_pages_used") == 0))

    def test_many_streams_at_once_keep_apart(self) -> None:
        prompts = [f"Question: Ann has {i} pens. How many pens does Ann have?\nAnswer:"
                   for i in range(24)]
        alone = [self.server.complete(prompt=p, max_tokens=24, temperature=0)["choices"][0]["text"]
                 for p in prompts]
        together: list[str] = [""] * len(prompts)

        def ask(i: int) -> None:
            answer = self.server.complete(prompt=prompts[i], max_tokens=24, temperature=0)
            together[i] = answer["choices"][0]["text"]

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(prompts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        self.assertEqual(together, alone)

    def test_malformed_bodies_get_a_reason_and_the_server_goes_on(self) -> None:
        for body, code in [(b"", "invalid_json"), (b"{", "invalid_json"), (b"[]", "invalid_json"),
                           (b"\xff\xfe", "invalid_json"), (b"[" * 100000, "invalid_json"),
                           (b'{"prompt":"a","prompt":"b"}', "invalid_json"),
                           (b'{"prompt":"a","max_tokens":1e999}', "invalid_json"),
                           (b'{"prompt":"a","n":0}', "invalid_value"),
                           (b'{"prompt":[99999999]}', "invalid_value"),
                           (b'{"max_tokens":1}', "missing_field")]:
            status, text = self.server.call("POST", "/v1/completions", body)
            self.assertEqual((status, json.loads(text)["error"]["code"]), (400, code), body[:40])
        self.assertEqual(self.server.call("GET", "/health")[0], 200)

    def test_the_page_comes_with_its_policy(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        connection.request("GET", "/")
        answer = connection.getresponse()

        self.assertIn(b"<title>Talon</title>", answer.read())
        self.assertIn("default-src 'none'", answer.getheader("content-security-policy"))
        connection.close()


class ServeLifeTest(unittest.TestCase):
    def test_sigterm_lets_streams_finish(self) -> None:
        server = Server()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("POST", "/v1/completions", json.dumps(
            {"prompt": QUESTION, "max_tokens": 600, "ignore_eos": True, "stream": True}))
        answer = connection.getresponse()
        first = answer.read1(10)

        server.process.send_signal(signal.SIGTERM)
        rest = answer.read()

        self.assertIn(b"[DONE]", first + rest)
        connection.close()
        self.assertEqual(server.stop(), 0)

    def test_a_second_signal_ends_at_once(self) -> None:
        server = Server()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("POST", "/v1/completions", json.dumps(
            {"prompt": QUESTION, "max_tokens": 8000, "ignore_eos": True, "stream": True}))
        answer = connection.getresponse()
        answer.read1(10)

        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)

        with self.assertRaises(http.client.IncompleteRead):
            answer.read()
        connection.close()
        server.process.wait(timeout=60)  # a third signal could meet a process without a handler
        self.assertEqual(server.stop(), 0)

    def test_who_does_not_read_stderr_stops_nobody(self) -> None:
        reader, writer = os.pipe()  # holds 64 KiB, some 500 lines of the access log
        process = subprocess.Popen([PROGRAM, "serve", "--host", "127.0.0.1", "--port", "0"],
                                   stdout=subprocess.PIPE, stderr=writer, text=True)
        os.close(writer)
        try:
            port = int(process.stdout.readline().rsplit(":", 1)[1])
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            for _ in range(1500):
                connection.request("GET", "/health/live")
                answer = connection.getresponse()
                self.assertEqual((answer.status, answer.read()), (200, b'{"status":"ok"}'))
            connection.request("POST", "/v1/completions",
                               json.dumps({"prompt": QUESTION, "max_tokens": 4}))
            answer = connection.getresponse()
            self.assertEqual((answer.status, len(answer.read()) > 0), (200, True))
            connection.close()

            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(timeout=60), 0)
            log = os.read(reader, 1 << 20)
            self.assertGreater(len(log), 30_000)  # pages of a pipe need not be full
            self.assertIn(b"route=/health/live", log)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            os.close(reader)

    def test_the_commit_is_told_everywhere(self) -> None:
        text = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True,
                              timeout=60).stdout
        commit = text.split("commit ")[1].split(",")[0]
        server = Server()
        try:
            info = json.loads(server.call("GET", "/server_info")[1])
            self.assertEqual((info["device"], info["dtype"], info["block_size"]),
                             ("cpu", "bf16", 128))
            self.assertEqual(info["kv_pages"], server.metric("kv_pages_total"))
            for path in ("/version", "/server_info"):
                self.assertEqual(json.loads(server.call("GET", path)[1])["commit"], commit)
            self.assertIn(f'commit="{commit}"', server.call("GET", "/metrics")[1])
        finally:
            server.stop()

    def test_a_key_is_asked_for(self) -> None:
        server = Server("--api-key", "secret")
        try:
            self.assertEqual(server.call("GET", "/metrics")[0], 401)
            headers = {"Authorization": "Bearer secret"}
            self.assertEqual(server.call("GET", "/metrics", None, headers)[0], 200)
            self.assertEqual(server.call("GET", "/health")[0], 200)
        finally:
            server.stop()

    def test_faults_at_the_start_are_one_line(self) -> None:
        taken = socket.create_server(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        for flags, part in [(("--port", str(port)), str(port)),
                            (("--port", "0", "--tls-cert", "/none", "--tls-key", "/none"), "/none"),
                            (("--port", "0", "--tls-cert", "/none"), "--tls-key"),
                            (("--port", "0", "--allowed-origins", "x"), "--allowed-origins"),
                            (("--port", "0", "--api-key-file", "/none"), "/none")]:
            done = subprocess.run([PROGRAM, "serve", "--host", "127.0.0.1", *flags],
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertNotEqual(done.returncode, 0, flags)
            self.assertIn(part, done.stderr)
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        taken.close()

    def test_every_fault_of_a_command_line_is_told(self) -> None:
        done = subprocess.run(
            [PROGRAM, "serve", "--queue_timeout", "-1", "--no-such-flag", "--method", "mtp", "-tp", "4",
             "--request-log", "/none/log", "--config-typo=1"],
            capture_output=True, text=True, timeout=60, check=False)

        self.assertEqual(done.returncode, 2)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        for part in ("--queue-timeout", "--no-such-flag", "mtp", "--tensor-parallel-size 4",
                     "/none/log", "--config-typo"):
            self.assertIn(part, done.stderr)

    def test_a_file_of_settings_and_a_request_log(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            settings = os.path.join(folder, "flags.json")
            log = os.path.join(folder, "requests")
            with open(settings, "w", encoding="utf-8") as file:
                json.dump({"served_model_name": ["mine"], "ui": False, "max_n": 3,
                           "request-log": log}, file)
            server = Server("--config", settings, "--max-n", "2", "--uvicorn-log-level", "info")
            try:
                self.assertEqual(server.call("GET", "/")[0], 404)
                answer = server.complete(model="mine", max_tokens=4, n=2)
                self.assertEqual(answer["model"], "mine")
                status, text = server.call("POST", "/v1/completions", {"prompt": "a", "n": 3})
                self.assertEqual(status, 400, text)
                self.assertIn("--uvicorn-log-level", server.log())
            finally:
                server.stop()
            with open(log, encoding="utf-8") as file:
                lines = [json.loads(line) for line in file]
            self.assertEqual([line["status"] for line in lines], [200, 400])
            self.assertEqual(lines[0]["completion_tokens"], 8)
            self.assertNotIn(QUESTION, json.dumps(lines))


if __name__ == "__main__":
    unittest.main()
