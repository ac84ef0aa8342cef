"""Sends malformed requests to a server and prints what comes back, as the table of
docs/bad_requests.md.

Usage: tools/bad_requests.py PROGRAM >docs/bad_requests.md
"""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
HELLO = '"messages":[{"role":"user","content":"Hi"}]'


def chat(fields: str) -> tuple[str, str]:
    return CHAT, "{" + HELLO + "," + fields + "}"


def text(fields: str) -> tuple[str, str]:
    return TEXT, '{"prompt":"Hi",' + fields + "}"


CASES: list[tuple[str, str]] = [
    (TEXT, ""), (TEXT, "{"), (TEXT, "[]"), (TEXT, "null"), (TEXT, '"prompt"'), (TEXT, "{}"),
    (TEXT, '{"prompt":"a"}x'), (TEXT, '{"prompt":"a","prompt":"b"}'), (TEXT, "\udcff"),
    (TEXT, '{"prompt":' + "[" * 100 + "]" * 100 + "}"), (TEXT, '{"prompt":"\\ud800"}'),
    text('"max_tokens":1e999'), text('"max_tokens":99999999999999999999'),
    (TEXT, '{"prompt":5}'), (TEXT, '{"prompt":[]}'), (TEXT, '{"prompt":""}'),
    (TEXT, '{"prompt":[-1]}'), (TEXT, '{"prompt":[4096]}'), (TEXT, '{"prompt":["a",1]}'),
    (TEXT, '{"prompt":[[1],"a"]}'), (TEXT, '{"prompt":"' + "1 " * 9000 + '"}'),
    text('"model":"gpt"'), text('"model":5'), text('"max_tokens":0'), text('"max_tokens":-1'),
    text('"max_tokens":"5"'), text('"min_tokens":-1'), text('"min_tokens":10,"max_tokens":5'),
    text('"temperature":-0.1'), text('"temperature":2.1'), text('"temperature":"hot"'),
    text('"top_p":0'), text('"top_p":1.1'), text('"top_k":-2'), text('"min_p":2'),
    text('"presence_penalty":3'), text('"frequency_penalty":-3'), text('"repetition_penalty":0'),
    text('"n":0'), text('"n":17'), text('"best_of":3'), text('"seed":1.5'), text('"stop":5'),
    text('"stop":[""]'), text('"stop":["' + "a" * 257 + '"]'), text('"stop_token_ids":[9999]'),
    text('"logit_bias":{"x":1}'), text('"logit_bias":{"5":101}'), text('"logit_bias":[1]'),
    text('"allowed_token_ids":[]'), text('"bad_words":"x"'), text('"bad_words":[""]'), text('"logprobs":21'), text('"stream":"yes"'),
    text('"stream_options":{}'), text('"suffix":"x"'), text('"timeout":0'), text('"priority":1001'),
    text('"guided_regex":"(a"'), text('"guided_choice":[]'), text('"guided_json":"{"'),
    text('"guided_json":{},"guided_regex":"a"'), text('"guided_grammar":"root ::= other"'),
    text('"response_format":{"type":"xml"}'), text('"kv_transfer_params":{}'),
    (CHAT, "{}"), (CHAT, '{"messages":[]}'), (CHAT, '{"messages":"Hi"}'),
    (CHAT, '{"messages":[{"role":"robot","content":"Hi"}]}'), (CHAT, '{"messages":[{"content":"Hi"}]}'),
    (CHAT, '{"messages":[{"role":"user"}]}'),
    (CHAT, '{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}'),
    (CHAT, '{"messages":[{"role":"tool","content":"x","tool_call_id":"none"}]}'),
    chat('"tools":[{"type":"function"}]'), chat('"tool_choice":"required"'),
    chat('"tools":[{"type":"function","function":{"name":"bad name"}}]'),
    chat('"tool_choice":{"type":"function","function":{"name":"f"}}'), chat('"functions":[]'),
    chat('"top_logprobs":5'), chat('"logprobs":3'), chat('"reasoning_effort":"huge"'),
    chat('"chat_template":"x"'), chat('"continue_final_message":true,"add_generation_prompt":true'),
    ("/v1/messages", "{}"), ("/v1/messages", '{"model":"talon-tiny",' + HELLO + "}"),
    ("/v1/responses", '{"input":"Hi","store":true}'),
    ("/v1/responses", '{"input":"Hi","previous_response_id":"x"}'),
    ("/tokenize", "{}"), ("/detokenize", '{"tokens":[99999]}'), ("/v2/completions", "{}"),
]


def shown(part: str) -> str:
    safe = part.encode("utf-8", "backslashreplace").decode().replace("|", "\\|")
    return safe if len(safe) <= 80 else f"{safe[:60]}... ({len(part)} characters)"


def main() -> int:
    server = subprocess.Popen(
        [sys.argv[1], "serve", "--host", "127.0.0.1", "--port", "0", "--disable-access-log"],
        stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    port = int(server.stdout.readline().rsplit(":", 1)[1])
    print("# Malformed requests\n\nWhat `talon serve` answers on the embedded pair. Made by "
          "`tools/bad_requests.py build/talon`.\n")
    print("| route | body | status | code | param | message |\n|---|---|---|---|---|---|")
    for path, body in CASES:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", path, body.encode("utf-8", "surrogateescape"))
        answer = connection.getresponse()
        error = json.loads(answer.read())["error"]
        connection.close()
        print(f"| {path} | `{shown(body) or ' '}` | {answer.status} | {error.get('code', error['type'])} "
              f"| {error.get('param') or ''} | {shown(error['message'])} |")
        if answer.status < 400:
            return 1
    server.send_signal(signal.SIGTERM)
    return server.wait(timeout=60)


if __name__ == "__main__":
    sys.exit(main())
