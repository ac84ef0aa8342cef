"""`talon inspect` on sparse files with the true headers of the real MiniMax-M3 repositories.

The headers come from a table typed from the published listing (tools/make_m3_headers.py), the
expected counts from the published totals: three independent readings must agree to the last tensor,
parameter and byte. The files go to the build folder; their data is a hole.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = os.environ["TALON_PROGRAM"]
SOURCE = Path(os.environ["TALON_SOURCE_DIR"])

TEXT_PARAMETERS = 426_174_572_928
ALL_PARAMETERS = 427_040_140_160
VISION_PARAMETERS = 631_185_920 + 45_625_344 + 188_755_968
PATCH_EMBEDDING = 1280 * 3 * 2 * 14 * 14  # F32, the rest of the vision part is BF16
VISION_BYTES = 2 * VISION_PARAMETERS + 2 * PATCH_EMBEDDING
EMBEDDINGS_AND_NORM_BYTES = 2 * (2 * 1_229_193_216 + 6_144)


class InspectRealHeadersTest(unittest.TestCase):
    def setUp(self):
        build = os.environ["TALON_BUILD_DIR"]
        self.folder = Path(tempfile.mkdtemp(dir=build, prefix="m3-headers-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def make(self, *arguments: str) -> None:
        script = SOURCE / "tools" / "make_m3_headers.py"
        subprocess.run([sys.executable, "-B", script, *arguments, self.folder], check=True)

    def inspect(self, *arguments: str, code: int = 0) -> dict:
        run = subprocess.run([PROGRAM, "inspect", self.folder, "--json", *arguments],
                             capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, code, run.stderr)
        return json.loads(run.stdout)

    def check_text_model(self, report: dict) -> None:
        self.assertEqual(report["problems"], [])
        self.assertEqual(report["warnings"], [])
        self.assertEqual(report["loaded"]["parameters"], TEXT_PARAMETERS)
        self.assertEqual(report["kv_bytes_per_token"], 137_472)
        self.assertEqual(report["index_bytes_per_token"], 14_592)

    def test_fp8_halves_kv_and_adds_scales(self):
        self.make()

        report = self.inspect("--kv-cache-dtype", "fp8", "--index-cache-dtype", "fp8")

        self.assertEqual(report["kv_bytes_per_token"], 68_736 + 1_920)
        self.assertEqual(report["index_bytes_per_token"], 7_296)

    def test_bf16_counts_are_those_published(self):
        self.make()

        report = self.inspect("--strict-config", "--tensors")

        self.check_text_model(report)
        self.assertEqual(report["files"], 59)
        self.assertEqual(report["shapes"], "headers")
        self.assertEqual(report["loaded"]["tensors"], 22_893)
        self.assertEqual(len(report["tensors"]), 22_893)
        self.assertEqual(report["skipped"],
                         {"tensors": 523, "parameters": VISION_PARAMETERS, "bytes": VISION_BYTES})
        self.assertEqual(report["all"]["tensors"], 23_416)
        self.assertEqual(report["all"]["parameters"], ALL_PARAMETERS)
        self.assertEqual(report["loaded"]["bytes"],
                         3 * 666_919_424 + 57 * 14_833_706_496 + EMBEDDINGS_AND_NORM_BYTES)
        self.assertEqual(round(report["all"]["bytes"] / 1e9, 2), 854.17)
        self.assertEqual(round(report["all"]["bytes"] / 2**30, 2), 795.51)

    def test_bf16_parts_are_those_published(self):
        self.make()

        parts = self.inspect()["parts"]

        parameters = {name: count["parameters"] for name, count in parts.items()}
        self.assertEqual(parameters, {
            "embedding": 1_229_193_216,
            "norms": 60 * 12_288 + 6_144,
            "attention": 60 * 106_955_008,
            "dense_mlp": 3 * 226_492_416,
            "indexer": 57 * 3_932_416,
            "router": 57 * (786_432 + 128),
            "experts": 57 * 128 * 56_623_104,
            "shared_expert": 57 * 56_623_104,
            "head": 1_229_193_216,
        })

    def test_mxfp8_counts_are_those_published(self):
        self.make("--format", "mxfp8")

        report = self.inspect("--strict-config")

        self.check_text_model(report)
        self.assertEqual(report["files"], 31)
        self.assertEqual(report["all"]["tensors"], 45_838)
        self.assertEqual(report["formats"]["mxfp8"]["tensors"], 2 * 22_422)
        self.assertEqual(report["loaded"]["bytes"],
                         3 * 343_892_480 + 57 * 7_650_166_272 + EMBEDDINGS_AND_NORM_BYTES)
        self.assertEqual(round(report["all"]["bytes"] / 2**30, 2), 413.27)

    def test_mxfp4_counts_are_those_computed(self):
        self.make("--format", "mxfp4")

        report = self.inspect("--strict-config")

        self.check_text_model(report)
        self.assertEqual(report["quant_method"], "quark")
        self.assertEqual(report["all"]["tensors"], 45_475)
        self.assertEqual(report["loaded"]["bytes"],
                         3 * 666_919_424 + 57 * 4_105_397_760 + EMBEDDINGS_AND_NORM_BYTES)

    def test_index_alone_gives_names_and_says_that_shapes_are_derived(self):
        self.make("--index-only")

        report = self.inspect()

        self.check_text_model(report)
        self.assertEqual(report["shapes"], "derived")
        self.assertEqual(report["all"]["tensors"], 23_416)
        self.assertEqual(report["loaded"]["bytes"], 0)

    def test_index_alone_reports_a_missing_name(self):
        self.make("--index-only")
        index = self.folder / "model.safetensors.index.json"
        content = json.loads(index.read_text())
        del content["weight_map"]["language_model.model.layers.7.self_attn.k_proj.weight"]
        index.write_text(json.dumps(content))

        report = self.inspect(code=1)

        self.assertEqual(report["problems"], [
            'model.safetensors.index.json: tensor "model.layers.7.self_attn.k_proj.weight": missing'
        ])


if __name__ == "__main__":
    unittest.main()
