"""Fetches the source archives of tools/sources.txt from PyPI into third_party/NAME-VERSION.

pip takes an archive only if its hash is the one written there. What is there already is left alone.
Without a network the build goes on without the part that needs the source, and says so; under CI
that is an error.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS = 300


class Source(NamedTuple):
    name: str
    version: str
    requirement: str  # the line as pip reads it

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.version}"


def read_sources(text: str) -> list[Source]:
    sources = []
    for line in map(str.strip, text.splitlines()):
        if line and not line.startswith("#"):
            name, version = line.split()[0].split("==")
            sources.append(Source(name, version, line))
    return sources


def download(source: Source, folder: Path) -> Path:
    """The archive, checked by pip. Its metadata are made with the backend that it names, from
    wheels, so nothing is compiled."""
    wanted = folder / "requirements.txt"
    wanted.write_text(source.requirement + "\n", "utf-8")
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
         "--no-deps", "--no-binary", source.name, "--require-hashes", "-r", wanted, "-d", folder],
        check=True, timeout=TIMEOUT_SECONDS, stdin=subprocess.DEVNULL)
    return folder / f"{source.folder}.tar.gz"


def unpack(source: Source, archive: Path, target: Path) -> None:
    """Puts the archive's folder at `target`, whole or not at all."""
    staging = target.with_name(target.name + ".part")
    shutil.rmtree(staging, ignore_errors=True)
    with tarfile.open(archive, mode="r:gz") as tar:
        tar.extractall(staging)  # trusted: its hash is ours
    (staging / source.folder).rename(target)
    shutil.rmtree(staging)


def fetch(source: Source, third_party: Path) -> None:
    target = third_party / source.folder
    if target.is_dir():
        return
    print(f"talon: fetching {source.folder} from PyPI", flush=True)
    third_party.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        unpack(source, download(source, Path(folder)), target)


def main() -> int:
    failed = False
    for source in read_sources((ROOT / "tools/sources.txt").read_text("utf-8")):
        try:
            fetch(source, ROOT / "third_party")
        except (OSError, subprocess.SubprocessError, tarfile.TarError) as fault:
            failed = True
            print(f"talon: {source.folder} cannot be had: {fault}", file=sys.stderr)
    if failed:
        print("talon: building without it (structured outputs are off)", file=sys.stderr)
    return 1 if failed and os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
