"""tools/fetch_sources.py on an archive of its own: what it unpacks, and what it leaves alone."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, os.path.join(os.environ.get("TALON_SOURCE_DIR", "."), "tools"))

import fetch_sources


class FetchSourcesTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.source = fetch_sources.Source("lib", "1.0", "lib==1.0 --hash=sha256:0")
        self.archive = self.root / "lib-1.0.tar.gz"
        with tarfile.open(self.archive, mode="w:gz") as tar:
            info = tarfile.TarInfo("lib-1.0/LICENSE")
            info.size = 5
            tar.addfile(info, io.BytesIO(b"free\n"))

    def test_unpacks_the_folder_whole(self) -> None:
        target = self.root / "third_party" / "lib-1.0"
        target.parent.mkdir()

        fetch_sources.unpack(self.source, self.archive, target)

        self.assertEqual((target / "LICENSE").read_text(), "free\n")
        self.assertEqual([path.name for path in target.parent.iterdir()], ["lib-1.0"])

    def test_leaves_alone_what_is_there(self) -> None:
        target = self.root / "third_party" / "lib-1.0"
        target.mkdir(parents=True)

        fetch_sources.fetch(self.source, target.parent)  # asks nobody

        self.assertEqual(list(target.iterdir()), [])

    def test_every_source_is_pinned_by_a_hash(self) -> None:
        sources = fetch_sources.read_sources(
            (fetch_sources.ROOT / "tools" / "sources.txt").read_text())

        self.assertTrue(sources)
        for source in sources:
            self.assertRegex(source.requirement,
                             f"^{source.name}=={source.version} --hash=sha256:[0-9a-f]{{64}}$")


if __name__ == "__main__":
    unittest.main()
