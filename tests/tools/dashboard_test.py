"""The Grafana dashboard asks for metrics that the server has."""

from __future__ import annotations

import json
import os
import re
import unittest
from pathlib import Path

ROOT = Path(os.environ.get("TALON_SOURCE_DIR", "."))


class DashboardTest(unittest.TestCase):
    def test_every_metric_is_one_of_the_servers(self) -> None:
        dashboard = json.loads((ROOT / "docs/grafana/talon.json").read_text())
        source = (ROOT / "src/server/metrics.cc").read_text()
        asked = {name for panel in dashboard["panels"] for target in panel["targets"]
                 for name in re.findall(r"talon:(\w+)", target["expr"])}

        self.assertGreater(len(asked), 10)
        for name in asked:
            stem = re.sub(r"_(total|bucket)$", "", name)
            self.assertTrue(f'"{stem}"' in source or f'"{name}"' in source, name)


if __name__ == "__main__":
    unittest.main()
