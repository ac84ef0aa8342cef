"""The program as a user meets it: outputs of each command on the embedded pair, and one-line errors
with exit codes for bad input."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = os.environ["TALON_PROGRAM"]
SOURCE = Path(os.environ["TALON_SOURCE_DIR"])
TINY = SOURCE / "models" / "talon-tiny"
HEAD = SOURCE / "models" / "talon-tiny-eagle3"
PROBLEMS = SOURCE / "data" / "eval" / "word_problems.jsonl"
QUESTION = "Question: Mia has 14 apples and buys 9 more. How many apples does she have now?\nAnswer:"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)


def generate(*arguments: object) -> dict:
    done = run("generate", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class VersionTest(unittest.TestCase):
    def test_version_names_the_commit(self) -> None:
        done = run("--version")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^talon \d+\.\d+\.\d+, commit \S+, (cpu|cuda)\n$")


class ChatTest(unittest.TestCase):
    def test_a_conversation_through_a_pipe(self) -> None:
        lines = "Hello, how are you?\n/undo\n/undo\n/system Be brief.\nHello\n/what\n/quit\nnever\n"
        done = subprocess.run([PROGRAM, "chat", "--max-tokens", "40"], input=lines,
                              capture_output=True, text=True, timeout=250, check=False)

        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("fine", done.stdout)
        self.assertIn("nothing was said yet", done.stdout)
        self.assertIn("/thinking MODE", done.stdout)
        self.assertEqual(done.stderr.count("tokens per forward"), 2)


class GenerateTest(unittest.TestCase):
    def test_json_has_the_documented_members(self) -> None:
        answer = generate("--prompt", QUESTION)
        self.assertEqual(
            list(answer),
            "text token_ids finish_reason prompt_tokens completion_tokens spec timings".split(),
        )
        spec = answer["spec"]
        self.assertEqual(spec["num_speculative_tokens"], 3)
        self.assertEqual(len(spec["accepted_histogram"]), 4)
        self.assertEqual(len(spec["per_position_rate"]), 3)
        self.assertEqual(sum(spec["accepted_histogram"]), spec["rounds"])
        self.assertEqual(answer["completion_tokens"], len(answer["token_ids"]))
        self.assertEqual(spec["kept"]["tokens"], len(answer["token_ids"]) - 1)
        weighted = sum(i * count for i, count in enumerate(spec["accepted_histogram"]))
        self.assertEqual(weighted, spec["accepted"])
        self.assertGreater(answer["timings"]["decode_tokens_per_s"], 0)

    def test_every_k_and_method_none_give_the_same_tokens(self) -> None:
        expected = generate("--method", "none", "--prompt", QUESTION)
        self.assertEqual(expected["spec"]["drafted"], 0)
        for drafts in range(8):
            answer = generate("--num-speculative-tokens", drafts, "--prompt", QUESTION)
            self.assertEqual(answer["token_ids"], expected["token_ids"], f"K = {drafts}")

    def test_float32_drafting_changes_no_token(self) -> None:
        flags = ("--dtype", "float32", "--prompt", QUESTION)
        self.assertEqual(
            generate(*flags)["token_ids"], generate("--method=none", *flags)["token_ids"]
        )

    def test_fp8_kv_drafting_changes_no_token(self) -> None:
        flags = ("--kv-cache-dtype", "fp8", "--index_cache_dtype=fp8", "--prompt", QUESTION)
        answer = generate(*flags)
        self.assertEqual(answer["token_ids"], generate("--method=none", *flags)["token_ids"])

    def test_weights_quantised_at_load_are_those_of_a_converted_checkpoint(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            converter = SOURCE / "tools" / "make_quantised_checkpoint.py"
            command = [sys.executable, "-B", converter, "--format", "fp8_channel"]
            subprocess.run([*command, TINY, folder], check=True)
            prompt = ("--method", "none", "--prompt", QUESTION)
            converted = generate("--model", folder, *prompt)
        online = generate("--quantization", "fp8", *prompt)
        self.assertEqual(online["token_ids"], converted["token_ids"])

    def test_globs_that_match_nothing_are_named(self) -> None:
        config = '{"global_quant_config": "ptpc_fp8", "exclude_layer": ["*.atn"]}'
        done = run("generate", "--prompt", "x", "--max-tokens", 1, "--online-quant-config", config)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('exclude_layer: "*.atn": matches no tensor', done.stderr)

    def test_underscores_work_and_limits_hold(self) -> None:
        answer = generate("--max_tokens=5", "--ignore_eos", "--prompt", QUESTION)
        self.assertEqual(answer["completion_tokens"], 5)
        self.assertEqual(answer["finish_reason"], "length")

    def test_stop_string_does_not_reach_the_text(self) -> None:
        whole = generate("--prompt", QUESTION)["text"]
        stop = whole[10:14]
        answer = generate("--stop", stop, "--prompt", QUESTION)
        self.assertEqual(answer["text"], whole[: whole.index(stop)])
        self.assertEqual(answer["finish_reason"], "stop")

    def test_batch_file_answers_line_by_line(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            source, result = Path(folder, "in.jsonl"), Path(folder, "out.jsonl")
            lines = [{"id": i, "prompt": QUESTION, "max_tokens": 4 + i} for i in range(3)]
            source.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
            done = run("generate", "--input", source, "--output", result)
            self.assertEqual(done.returncode, 0, done.stderr)
            answers = [json.loads(line) for line in result.read_text().splitlines()]
        self.assertEqual([answer["id"] for answer in answers], [0, 1, 2])
        self.assertEqual([answer["completion_tokens"] for answer in answers], [4, 5, 6])

    def test_several_answers_draw_with_seeds_in_a_row(self) -> None:
        hello = ("--prompt", "Hello", "--temperature", 1.2, "--max-tokens", 16)
        alone = [generate(*hello, "--seed", seed) for seed in (7, 8, 9)]
        answer = generate(*hello, "--seed", 7, "--n", 3)
        self.assertEqual(list(answer), ["choices"])
        self.assertEqual([choice["index"] for choice in answer["choices"]], [0, 1, 2])
        for choice, single in zip(answer["choices"], alone):
            self.assertEqual(list(choice), ["index", *single])
            self.assertEqual(choice["token_ids"], single["token_ids"])
        plain = run("generate", *hello, "--seed", 7, "--n", 3)
        self.assertEqual(plain.stdout, "".join(
            f"--- choice {i} ---\n{single['text']}\n" for i, single in enumerate(alone)
        ))
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "in.jsonl")
            source.write_text('{"id": "a", "prompt": "Hello", "n": 2}\n{"prompt": "Hello"}\n')
            done = run("generate", "--input", source, *hello[2:], "--seed", 7)
            self.assertEqual(done.returncode, 0, done.stderr)
            first, second = map(json.loads, done.stdout.splitlines())
            source.write_text('{"prompt": "Hello", "n": 17}\n')
            refused = run("generate", "--input", source)
        self.assertEqual(first["id"], "a")
        self.assertEqual(
            [choice["token_ids"] for choice in first["choices"]],
            [single["token_ids"] for single in alone[:2]],
        )
        self.assertEqual(second["token_ids"], alone[0]["token_ids"])
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("in.jsonl:1: n: 17 is not in 1..16", refused.stderr)

    def test_plain_output_is_the_text_alone(self) -> None:
        done = run("generate", "--max-tokens", 20, "--prompt", QUESTION)
        self.assertEqual(
            done.stdout, generate("--max-tokens", 20, "--prompt", QUESTION)["text"] + "\n"
        )
        self.assertIn("tokens per forward", done.stderr)

    def test_a_seed_gives_its_answer_with_every_k_and_beside_others(self) -> None:
        sampling = ("--temperature", 1.2, "--top-p", 0.95, "--top-k", 50, "--seed", 7)
        expected = generate("--method", "none", "--prompt", QUESTION, *sampling)
        # The question has one likely answer; a greeting has many.
        hello = ("--prompt", "Hello", "--temperature", 1.2, "--max-tokens", 16, "--seed")
        answers = [generate(*hello, seed)["token_ids"] for seed in (7, 8)]
        self.assertNotEqual(answers[0], answers[1])
        for drafts in (1, 3, 7):
            answer = generate(
                "--num-speculative-tokens", drafts, "--prompt", QUESTION, *sampling
            )
            self.assertEqual(answer["token_ids"], expected["token_ids"], f"K = {drafts}")
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "in.jsonl")
            source.write_text("\n".join(
                json.dumps({"prompt": QUESTION if i == 2 else f"Question {i}"}) for i in range(4)
            ))
            done = run("generate", "--input", source, "--max-tokens", 40, *sampling)
            self.assertEqual(done.returncode, 0, done.stderr)
            answer = json.loads(done.stdout.splitlines()[2])
        self.assertEqual(answer["token_ids"], expected["token_ids"][:40])

    def test_logprobs_stand_beside_the_tokens(self) -> None:
        answer = generate("--prompt", QUESTION, "--logprobs", 2, "--max-tokens", 12)
        self.assertEqual([p["token_id"] for p in answer["logprobs"]], answer["token_ids"])
        for position in answer["logprobs"]:
            self.assertEqual(len(position["top"]), 2)
            self.assertEqual(position["top"][0]["token_id"], position["token_id"])  # greedy
            self.assertLessEqual(position["logprob"], 0)

    def test_forced_acceptance_is_marked(self) -> None:
        flags = ("--prompt", QUESTION, "--ignore-eos", "--max-tokens", 300)
        answer = generate(*flags, "--spec-decode-acceptance-rate", 0.5)
        self.assertTrue(answer["synthetic_acceptance"])
        self.assertAlmostEqual(answer["spec"]["acceptance_rate"], 0.5, delta=0.1)
        none = generate(*flags, "--spec-decode-acceptance-length", 1)
        self.assertEqual(none["spec"]["accepted"], 0)
        self.assertNotIn("synthetic_acceptance", generate("--prompt", QUESTION))
        none_of_many = ("--max-tokens", 700, "--spec-decode-acceptance-length", 1)
        done = run("generate", *flags[:3], *none_of_many)
        self.assertIn("700 tokens", done.stderr)
        self.assertNotIn("hardly ever agrees", done.stderr, "it was forced: no alarm")
        done = run("generate", "--prompt", "x", "--spec-decode-acceptance-rate", 1)
        self.assertIn("forced", done.stderr)

    def test_dummy_weights_need_no_shards_and_are_marked(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
                shutil.copy(TINY / name, folder)
            flags = ("--model", folder, "--prompt", QUESTION, "--max-tokens", 8, "--ignore-eos")
            missing = run("generate", *flags)
            self.assertEqual(missing.returncode, 1)
            self.assertIn("safetensors", missing.stderr)
            answers = [generate(*flags, "--load-format", "dummy") for _ in range(2)]
        self.assertTrue(answers[0]["synthetic_weights"])
        self.assertEqual(len(answers[0]["token_ids"]), 8)
        self.assertEqual(answers[0]["token_ids"], answers[1]["token_ids"])
        self.assertNotIn("synthetic_weights", generate("--prompt", QUESTION))
        pair = generate("--prompt", QUESTION, "--load-format", "dummy", "--max-tokens", 8)
        self.assertEqual(pair["spec"]["num_speculative_tokens"], 3)

    def test_overrides_stand_in_for_the_config(self) -> None:
        done = run("generate", "--prompt", QUESTION, "--hf-overrides",
                   '{"max_position_embeddings": 16}')
        self.assertEqual(done.returncode, 2)
        self.assertIn("16", done.stderr)
        done = run("generate", "--prompt", "a", "--hf-overrides", '{"use_index_cache": true}')
        self.assertEqual(done.returncode, 1)
        self.assertIn("use_index_cache", done.stderr)
        self.assertIn("--hf-overrides", done.stderr)

    def test_the_policy_changes_no_token(self) -> None:
        expected = generate("--prompt", QUESTION)
        flags = ("--spec-decode-policy", "auto", "--max-num-seqs", 1, "--prompt", QUESTION)
        self.assertEqual(generate(*flags)["token_ids"], expected["token_ids"])
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder, "table.json")
            table.write_text(json.dumps({
                "num_sequences": [1], "contexts": [1], "max_drafts": 3,
                "step_ms": [[[1, 9, 9, 9]]],
            }))
            answer = generate(*flags, "--spec-decode-cost-table", table)
        self.assertEqual(answer["token_ids"], expected["token_ids"])
        self.assertEqual(answer["spec"]["drafted"], 0, "drafts never pay by this table")

    def test_scheduling_flags_change_no_token(self) -> None:
        expected = generate("--prompt", QUESTION)["token_ids"]
        for flags in (
            ["--max-num-seqs", 1],
            ["--max-num-seqs", 4, "--max-num-batched-tokens", 8],
            ["--long-prefill-token-threshold", 5],
            ["--no-enable-prefix-caching"],
            ["--async-scheduling"],
            ["--scheduling-policy", "priority"],
            ["--max-queue-len", 1],
            ["--device", "cpu", "--enforce-eager"],
        ):
            with self.subTest(flags=flags):
                self.assertEqual(generate("--prompt", QUESTION, *flags)["token_ids"], expected)

    def test_prompt_of_the_full_context_runs(self) -> None:
        prompt = "one two three four " * 1500
        answer = generate("--max-tokens", 8, "--prompt", prompt)
        self.assertGreater(answer["prompt_tokens"], 3000)
        self.assertEqual(
            answer["token_ids"],
            generate("--method", "none", "--max-tokens", 8, "--prompt", prompt)["token_ids"],
        )


class EvalTest(unittest.TestCase):
    def test_digest_is_equal_with_and_without_the_drafter(self) -> None:
        reports = []
        for method in ("none", "eagle3"):
            done = run(
                "eval", "gsm8k", "--data", PROBLEMS, "--limit", 6, "--method", method, "--json"
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            reports.append(json.loads(done.stdout))
        self.assertEqual(reports[0]["output_digest"], reports[1]["output_digest"])
        self.assertEqual(reports[0]["accuracy"], reports[1]["accuracy"])
        self.assertEqual(reports[0]["limit"], 6)
        self.assertEqual(sum(s["limit"] for s in reports[0]["slices"].values()), 6)

    def test_digest_is_equal_however_many_run_at_once(self) -> None:
        digests = set()
        for flags in (["--max-num-seqs", 1], ["--max-num-seqs", 3, "--max-queue-len", 2], []):
            done = run("eval", "gsm8k", "--data", PROBLEMS, "--limit", 6, "--json", *flags)
            self.assertEqual(done.returncode, 0, done.stderr)
            digests.add(json.loads(done.stdout)["output_digest"])
        self.assertEqual(len(digests), 1)

    def test_few_shot_prompts_run(self) -> None:
        done = run(
            *("eval", "gsm8k", "--data", PROBLEMS, "--limit", 1, "--max-tokens", 8),
            *("--num-fewshot", 5, "--fewshot-data", PROBLEMS, "--json"),
        )
        self.assertEqual(done.returncode, 0, done.stderr)


class BenchTest(unittest.TestCase):
    def test_reports_both_kinds_and_equal_outputs(self) -> None:
        done = run("bench", "generate", "--pairs", 1, "--max-tokens", 12, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(set(report["kinds"]), {"problem", "dialogue"})
        for kind in report["kinds"].values():
            self.assertTrue(kind["outputs_equal"])
        self.assertEqual(set(report["speedup"]), {"median", "min", "max"})
        self.assertGreater(report["step_ms"]["q1"], 0)
        self.assertGreater(report["step_ms"]["q4"], 0)
        self.assertEqual(report["kinds"]["problem"]["prompts"], 16)
        self.assertEqual(report["kinds"]["dialogue"]["prompts"], 8)


    def bench(self, *arguments: object) -> dict:
        done = run("bench", *arguments, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_step_writes_a_cost_table_that_generate_takes(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder, "table.json")
            report = self.bench(
                *("step", "--num-sequences", "1,2", "--contexts", 20, "--cycles", 1),
                *("--max-num-seqs", 2, "--cost-table", table),
            )
            self.assertEqual(json.loads(table.read_text()), report["cost_table"])
            flags = ("--spec-decode-policy", "auto", "--spec-decode-cost-table", table)
            self.assertTrue(generate("--prompt", QUESTION, "--max-tokens", 8, *flags)["text"])
        self.assertEqual([p["rows"] for p in report["points"]], [1, 2, 3, 4, 2, 4, 6, 8])
        for point in report["points"]:
            parts = point["verify_ms"] + point["extend_ms"] + point["draft_ms"]
            self.assertGreater(point["step_ms"], 0)
            self.assertGreater(parts, 0)

    def test_latency_runs_one_batch_of_fixed_lengths(self) -> None:
        report = self.bench(
            *("latency", "--batch-size", 2, "--input-len", 30, "--output-len", 10),
            *("--num-iters", 2, "--num-iters-warmup", 0),
        )
        self.assertEqual(report["spec"]["kept"]["tokens"], 2 * 2 * 9)
        self.assertGreater(report["batch_ms"]["min"], report["first_token_ms"]["min"])
        self.assertGreater(report["rounds"]["num_rounds"], 0)
        self.assertGreater(report["rounds"]["round_us_median"], 0)
        self.assertGreaterEqual(report["rounds"]["gap_us_p99"], report["rounds"]["gap_us_median"])

    def test_throughput_compares_three_engines(self) -> None:
        report = self.bench(
            *("throughput", "--concurrency", "1,3", "--num-prompts", 3, "--repetitions", 1),
            *("--max-tokens", 12, "--max-num-seqs", 3),
        )
        self.assertEqual([row["concurrency"] for row in report["rows"]], [1, 3])
        for row in report["rows"]:
            none, eagle3 = row["none"]["total_tokens_per_s"], row["eagle3"]["total_tokens_per_s"]
            self.assertAlmostEqual(row["uplift"], eagle3 / none - 1)
            self.assertEqual(row["none"]["tokens_per_forward"], 1)
            self.assertGreater(row["eagle3"]["tokens_per_forward"], 1)
            self.assertIn("uplift_auto", row)


class BadInputTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.model = Path(self.folder.name, "model")
        self.head = Path(self.folder.name, "head")
        shutil.copytree(TINY, self.model)
        shutil.copytree(HEAD, self.head)

    def tearDown(self) -> None:
        self.folder.cleanup()

    def fails(self, words: list[str], *arguments: object) -> None:
        done = run("generate", "--prompt", "x", *arguments)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertGreater(done.returncode, 0, "killed by a signal")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def edit_config(self, folder: Path, path: list[str], value: object) -> None:
        file = folder / "config.json"
        config = json.loads(file.read_text())
        place = config
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        file.write_text(json.dumps(config))

    def shard(self) -> Path:
        return sorted(self.model.glob("*.safetensors"))[0]

    def test_missing_folder(self) -> None:
        self.fails(["nowhere"], "--model", Path(self.folder.name, "nowhere"))

    def test_truncated_shard(self) -> None:
        file = self.shard()
        file.write_bytes(file.read_bytes()[:-100])
        self.fails([file.name], "--model", self.model)

    def test_missing_shard(self) -> None:
        file = self.shard()
        file.unlink()
        self.fails([file.name], "--model", self.model)

    def test_absurd_header_length(self) -> None:
        file = self.shard()
        file.write_bytes(struct.pack("<Q", 1 << 62) + file.read_bytes()[8:])
        self.fails([file.name, "header"], "--model", self.model)

    def test_unknown_dtype(self) -> None:
        file = self.shard()
        file.write_bytes(file.read_bytes().replace(b'"BF16"', b'"QF16"', 1))
        self.fails([file.name, "QF16"], "--model", self.model)

    def test_config_value_that_is_not_implemented(self) -> None:
        self.edit_config(self.model, ["text_config", "hidden_act"], "gelu")
        self.fails(["config.json", "hidden_act"], "--model", self.model)

    def test_wrong_shape(self) -> None:
        self.edit_config(self.model, ["text_config", "dense_intermediate_size"], 512)
        self.fails(["mlp"], "--model", self.model)

    def test_head_that_does_not_fit(self) -> None:
        flags = ("--model", self.model, "--draft-model", self.head)
        taps = ["eagle_config", "eagle_aux_hidden_state_layer_ids"]
        self.edit_config(self.head, taps, [2, 5, 99])
        self.fails(["config.json", "eagle_aux_hidden_state_layer_ids"], *flags)
        self.edit_config(self.head, taps, [2, 5, 7])
        self.edit_config(self.head, ["vocab_size"], 128)
        self.fails(["vocab_size"], *flags)

    def test_tokenizer_with_an_unusable_pattern(self) -> None:
        file = self.model / "tokenizer.json"
        tokenizer = json.loads(file.read_text())
        text = json.dumps(tokenizer)
        pattern = next(
            part["pattern"]["Regex"]
            for part in tokenizer["pre_tokenizer"].get("pretokenizers", [tokenizer["pre_tokenizer"]])
            if "pattern" in part
        )
        file.write_text(text.replace(json.dumps(pattern), json.dumps("(unclosed")))
        self.fails(["tokenizer.json", "pattern"], "--model", self.model)

    def test_prompt_over_the_context(self) -> None:
        done = run("generate", "--max-model-len", 64, "--prompt", "one two three " * 100)
        self.assertEqual(done.returncode, 2)
        self.assertIn("prompt", done.stderr)

    def test_cost_table_that_is_none(self) -> None:
        file = Path(self.folder.name, "table.json")
        file.write_text('{"num_sequences": [1], "contexts": [1], "max_drafts": 9, "step_ms": []}')
        flags = ("--spec-decode-policy", "auto", "--spec-decode-cost-table")
        self.fails(["table.json", "max_drafts"], *flags, file)
        self.fails(["nowhere"], *flags, Path(self.folder.name, "nowhere"))

    def test_wrong_flags(self) -> None:
        for flags in (
            ["--num-speculative-tokens", 8],
            ["--num-speculative-tokens", -1],
            ["--dtype", "int3"],
            ["--kv-cache-dtype", "int8"],
            ["--kv-cache-dtype", "float32"],
            ["--dtype", "float32", "--index-cache-dtype", "bf16"],
            ["--online-quant-config", "{"],
            ["--online-quant-config", '{"global_quant_config": "int4"}'],
            ["--online-quant-config", '{"global_quant_config": "mxfp4"}', "--quantization", "fp8"],
            ["--quantization", "awq"],
            ["--device", "tpu"],
            ["--method", "medusa"],
            ["--max-tokens", 0],
            ["--nonsense"],
            ["--stop", ""],
            ["--temperature", 2.5],
            ["--top-p", 0],
            ["--logprobs", 21],
            ["--min-tokens", 9, "--max-tokens", 8],
            ["--max-num-seqs", 0],
            ["--max-num-seqs", 8, "--max-num-batched-tokens", 7],
            ["--scheduling-policy", "lottery"],
            ["--spec-decode-policy", "sometimes"],
            ["--spec-decode-acceptance-rate", 1.1],
            ["--spec-decode-acceptance-length", 0.5],
            ["--spec-decode-acceptance-length", 4.5],
            ["--spec-decode-acceptance-length", 2, "--spec-decode-acceptance-rate", 0.5],
            ["--method", "none", "--spec-decode-acceptance-rate", 0.5],
        ):
            with self.subTest(flags=flags):
                done = run("generate", "--prompt", "x", *flags)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
