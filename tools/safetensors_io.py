"""Reads and writes safetensors files and sharded checkpoint folders. Standard library only."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

DTYPE_BYTES = {"BOOL": 1, "U8": 1, "F8_E4M3": 1, "BF16": 2, "F16": 2, "F32": 4, "I32": 4, "I64": 8}


@dataclass
class Tensor:
    """A tensor with its bytes, row-major and little-endian."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) != math.prod(self.shape) * DTYPE_BYTES[self.dtype]:
            raise ValueError(f"{len(self.data)} bytes for {self.dtype} {self.shape}")


def read_file(path: Path) -> dict[str, Tensor]:
    """All tensors of one file, in file order."""
    raw = path.read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__", None)
    out = {}
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        first, last = (8 + length + offset for offset in entry["data_offsets"])
        out[name] = Tensor(entry["dtype"], tuple(entry["shape"]), raw[first:last])
    return out


def write_file(path: Path, tensors: dict[str, Tensor]) -> None:
    """One file; the header is padded to eight bytes."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, tensor in tensors.items():
        last = offset + len(tensor.data)
        header[name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [offset, last],
        }
        offset = last
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as out:
        out.write(struct.pack("<Q", len(text)))
        out.write(text)
        for tensor in tensors.values():
            out.write(tensor.data)


def read_folder(folder: Path) -> dict[str, Tensor]:
    """All tensors of all shards, in the order of the file names."""
    out: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        out |= read_file(path)
    if not out:
        raise FileNotFoundError(f"{folder}: no *.safetensors file")
    return out


def write_shards(folder: Path, tensors: dict[str, Tensor], shard_bytes: int) -> None:
    """Shards of at most `shard_bytes` with model.safetensors.index.json."""
    shards: list[dict[str, Tensor]] = [{}]
    used = 0
    for name, tensor in tensors.items():
        if used + len(tensor.data) > shard_bytes and shards[-1]:
            shards.append({})
            used = 0
        shards[-1][name] = tensor
        used += len(tensor.data)
    weight_map = {}
    for number, shard in enumerate(shards, 1):
        file_name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        write_file(folder / file_name, shard)
        weight_map |= dict.fromkeys(shard, file_name)
    total = sum(len(tensor.data) for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    text = json.dumps(index, indent=2) + "\n"
    (folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")
