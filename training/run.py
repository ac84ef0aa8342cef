"""Trains the pair: target, long contexts with indexer, drafter, evaluation, export.

Stages are limited by wall clock. After each one the parameters are saved and exported, and a run
that is started again goes on with the next stage.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

import corpus
import evaluate
import export
import rows
from chat_format import render_prompt
from config import HeadConfig, TargetConfig
from dialogues import dialogue
from head import init_head
from model import init_params, num_parameters
from story import SEEN
from tokenizer import special_ids
from train_head import HeadSettings, HeadTrainer
from train_indexer import LongSettings, LongTrainer, long_losses
from train_target import TargetSettings, TargetTrainer, to_batch


@dataclass
class Budget:
    """Seconds of each stage."""

    target: float
    dense: float
    distil: float
    joint: float
    head: float

    @classmethod
    def parse(cls, text: str) -> Budget:
        return cls(*(float(part) for part in text.split(",")))


class Run:
    """The state of a training run in a work folder."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.work: Path = args.work
        self.results: Path = args.work / "results"
        self.results.mkdir(parents=True, exist_ok=True)
        self.config = TargetConfig()
        self.head_config = HeadConfig(self.config)
        self.tokenizer = Tokenizer.from_file(str(args.tokenizer / "tokenizer.json"))
        self.num_tokens = self.tokenizer.get_vocab_size()
        self.settings = TargetSettings(batch_rows=args.batch_rows)
        self.long_settings = LongSettings(batch_rows=args.long_batch_rows)
        self.params = init_params(self.config, args.seed, self.device)
        self.head = init_head(self.head_config, args.seed + 1, self.device)
        self.start = time.monotonic()
        self.stage = 0
        saved = self.work / "state.pt"
        if saved.exists():
            state = torch.load(saved, map_location=self.device)
            self.params, self.head = state["params"], state["head"]
            self.stage = state["stage"]
        self.note(f"stage {self.stage}, {num_parameters(self.params)} parameters, {self.device}")
        self.plan = self.shard_plan()
        if self.stage < 4:
            rows.start_workers(self.plan, args.workers)
        self.short = rows.ShardReader(self.plan.folder, "short", self.plan.num_shards, args.seed)
        self.long = rows.ShardReader(self.plan.folder, "long", self.plan.num_long, args.seed)
        self.trainer = TargetTrainer(self.params, self.config, self.settings, self.device == "cuda")

    def shard_plan(self) -> rows.ShardPlan:
        args = self.args
        return rows.ShardPlan(
            folder=self.work / "shards",
            tokenizer=args.tokenizer / "tokenizer.json",
            corpora=args.corpora,
            gsm8k=args.gsm8k,
            seed=args.seed,
            num_public=args.shards // 2,
            num_shards=args.shards,
            rows_per_shard=args.shard_rows,
            num_long=args.long_shards,
            long_rows=args.long_shard_rows,
            long_length=args.long_length,
        )

    def note(self, text: str) -> None:
        print(f"[{time.monotonic() - self.start:7.1f} s] {text}", flush=True)

    def save(self) -> None:
        """The state for a restart and the exported files."""
        self.stage += 1
        state = {"params": self.params, "head": self.head, "stage": self.stage}
        torch.save({k: detached(v) for k, v in state.items()}, self.work / "state.part")
        (self.work / "state.part").rename(self.work / "state.pt")
        models = self.work / "models"
        ids = special_ids(self.tokenizer)
        export.export_target(self.params, self.config, ids, models / "talon-tiny")
        export.export_head(self.head, self.head_config, models / "talon-tiny-eagle3")
        self.note(f"saved after stage {self.stage}")

    def write(self, name: str, value: object) -> None:
        text = json.dumps(value, indent=1) + "\n"
        (self.results / f"{name}.json").write_text(text, encoding="utf-8")

    def evaluator(self) -> evaluate.Evaluator:
        return evaluate.Evaluator(
            self.params,
            self.config,
            self.tokenizer,
            self.args.decode_batch,
            self.args.max_length,
        )

    def quick_report(self, name: str) -> None:
        """Accuracy by slice, printed and written."""
        judge = self.evaluator()
        data = self.args.eval_data
        out = {}
        for file in ("word_problems", "unseen_wording"):
            report, _ = judge.problems(evaluate.read_rows(data / f"{file}.jsonl"))
            self.note(f"{name} {file}: {report['accuracy']:.4f} {report['slices']}")
            out[file] = report
        report, _ = judge.dialogues(evaluate.read_rows(data / "dialogues.jsonl"))
        self.note(f"{name} dialogues equal to the reference: {report['equal_to_reference']:.2f}")
        out["dialogues"] = report
        self.write(f"accuracy_{name}", out)

    def train_target(self, seconds: float) -> None:
        self.trainer.warm_up(self.device)
        self.note("compiled")
        log = self.trainer.run(self.short, seconds, self.device)
        self.write("log_target", log)
        self.note(f"{self.trainer.num_steps} steps, {self.trainer.num_tokens} tokens")
        self.quick_report("target")

    def long_report(self, stage: str) -> None:
        """Held-out losses at 1k to 2k tokens."""
        rng = random.Random(self.args.seed + 77)
        length = self.args.long_length
        arrays = rows.long_rows(self.tokenizer, rng, self.args.long_eval_rows, length, SEEN)
        batch = to_batch(arrays, slice(0, len(arrays["tokens"])), self.device)
        report = long_losses(self.params, batch, self.config)
        self.note(f"long losses after {stage}: {json.dumps(report)}")
        self.write(f"long_losses_{stage}", report)

    def train_long(self, mode: str, seconds: float) -> None:
        if mode == "dense":
            self.long_report("target")
        trainer = LongTrainer(self.params, self.config, self.long_settings, self.trainer)
        log = trainer.run(mode, self.long, self.short, seconds, self.device)
        self.write(f"log_{mode}", log)
        self.long_report(mode)
        if mode == "joint":
            self.quick_report("joint")

    def head_sequences(self) -> list[rows.Encoded]:
        """The target's own greedy output on fresh training prompts."""
        count = self.args.head_prompts
        rng = random.Random(self.args.seed + 500)
        prompts = []
        for _ in range(count):
            if rng.random() < 0.5:
                prompts.append(corpus.prompt_of(corpus.problem_document(rng)))
            else:
                messages = dialogue(rng, problem_share=0.02).messages
                cut = 2 * rng.randrange(len(messages) // 2) + 1
                prompts.append(render_prompt(messages[:cut]))
        samples = self.evaluator().complete(prompts)
        self.note(f"{count} own generations, {sum(len(s[1]) for s in samples)} new tokens")
        return [
            (prompt + new, [0] * len(prompt) + [100] * len(new)) for prompt, new in samples if new
        ]

    def train_head(self, seconds: float) -> None:
        sequences = self.head_sequences()
        trainer = HeadTrainer(
            self.head, self.params, self.head_config, HeadSettings(), self.trainer.layer
        )
        self.write("log_head", trainer.run(sequences, seconds, self.device))

    def final_report(self) -> None:
        """Everything the model card quotes."""
        judge = self.evaluator()
        data = self.args.eval_data
        out: dict[str, object] = {}
        sets = {}
        for file in ("word_problems", "unseen_wording"):
            read = evaluate.read_rows(data / f"{file}.jsonl")
            out[file], sets[file] = judge.problems(read)
            if file == "word_problems":
                out["word_problems_chat"], sets["word_problems_chat"] = judge.problems(read, True)
        dialogues = evaluate.read_rows(data / "dialogues.jsonl")
        out["dialogues"], sets["dialogues"] = judge.dialogues(dialogues)
        if self.args.gsm8k_test:
            read = evaluate.read_rows(self.args.gsm8k_test)
            out["gsm8k_test"], sets["gsm8k_test"] = judge.problems(read)
        for name, samples in sets.items():
            report = evaluate.head_report(
                self.head, self.params, samples, self.head_config, self.num_tokens, self.device
            )
            out[f"acceptance_{name}"] = report
            accuracy = {k: v for k, v in out[name].items() if k in ("accuracy", "slices")}
            accuracy |= {"equal": out[name].get("equal_to_reference")}
            self.note(f"{name}: {accuracy} {report}")
        self.write("evaluation", out)

    def all(self) -> None:
        budget = Budget.parse(self.args.seconds)
        stages = [
            lambda: self.train_target(budget.target),
            lambda: self.train_long("dense", budget.dense),
            lambda: self.train_long("distil", budget.distil),
            lambda: self.train_long("joint", budget.joint),
            lambda: self.train_head(budget.head),
            lambda: self.final_report(),
        ]
        while self.stage < len(stages):
            stages[self.stage]()
            self.save()
        shutil.rmtree(self.plan.folder, ignore_errors=True)
        self.note("done")


def detached(value: object) -> object:
    if isinstance(value, dict):
        return {k: v.detach() for k, v in value.items()}
    return value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder of state and results")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder of tokenizer.json")
    parser.add_argument("--eval-data", type=Path, required=True)
    parser.add_argument("--corpora", type=Path)
    parser.add_argument("--gsm8k", type=Path, help="train.jsonl of GSM8K (questions only)")
    parser.add_argument("--gsm8k-test", type=Path, help="test file, evaluated only")
    parser.add_argument("--seconds", default="540,70,30,70,140", help="five stage limits")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=13)
    parser.add_argument("--batch-rows", type=int, default=192)
    parser.add_argument("--shards", type=int, default=220)
    parser.add_argument("--shard-rows", type=int, default=9400)
    parser.add_argument("--long-batch-rows", type=int, default=24)
    parser.add_argument("--long-shards", type=int, default=52)
    parser.add_argument("--long-shard-rows", type=int, default=192)
    parser.add_argument("--long-eval-rows", type=int, default=96)
    parser.add_argument("--decode-batch", type=int, default=4096)
    parser.add_argument("--max-length", type=int, default=512, help="of evaluated sequences")
    parser.add_argument("--long-length", type=int, default=2048)
    parser.add_argument("--head-prompts", type=int, default=40000)
    args = parser.parse_args()
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    Run(args).all()


if __name__ == "__main__":
    main()
