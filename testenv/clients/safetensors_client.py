# SPDX-License-Identifier: Apache-2.0
"""safetensors: a file of tensors that is written whole and read by ranges, the header first and then the tensors that are wanted."""

import json
import os

import numpy as np
import safetensors
from fsspec import filesystem
from safetensors.numpy import load, load_file, save, save_file

import story
from s3fs_options import OPTIONS

fs = filesystem("s3", **OPTIONS)
MODEL = story.base + "model.safetensors"
random = np.random.default_rng()
TENSORS = {
    "embed.weight": random.standard_normal((1000, 64), dtype=np.float32),
    "head.bias": random.integers(-9, 9, 10, dtype=np.int64),
    "scale": np.float16([0.5]),
}


def same(got, want):
    assert got.keys() == want.keys(), got.keys()
    for name, tensor in want.items():
        assert got[name].dtype == tensor.dtype and np.array_equal(got[name], tensor), name


def header(path):
    """The header, and where the tensors begin."""
    length = int.from_bytes(fs.cat_file(path, start=0, end=8), "little")
    return json.loads(fs.cat_file(path, start=8, end=8 + length)), 8 + length


def tensor(path, name):
    described, base = header(path)
    first, end = described[name]["data_offsets"]
    types = {"F16": np.float16, "F32": np.float32, "I64": np.int64}
    raw = fs.cat_file(path, start=base + first, end=base + end)
    return np.frombuffer(raw, dtype=types[described[name]["dtype"]]).reshape(described[name]["shape"])


def upload():
    fs.pipe_file(MODEL, save(TENSORS, metadata={"format": "np"}))


def download():
    same(load(fs.cat_file(MODEL)), TENSORS)


def ranged():
    assert header(MODEL)[0]["__metadata__"] == {"format": "np"}
    same({name: tensor(MODEL, name) for name in TENSORS}, TENSORS)


def multipart():
    many = {f"layer.{n}": random.standard_normal((5 << 20,), dtype=np.float32) for n in range(story.LARGE // (20 << 20))}
    big, back = os.path.join(story.folder, "large.safetensors"), os.path.join(story.folder, "back.safetensors")
    save_file(many, big)
    assert os.path.getsize(big) > story.LARGE
    fs.put_file(big, story.base + "large.safetensors", chunksize=16 << 20)
    same({"layer.7": tensor(story.base + "large.safetensors", "layer.7")}, {"layer.7": many["layer.7"]})
    fs.get_file(story.base + "large.safetensors", back)
    story.same(back, big)
    same(load_file(back), many)


story.tell(safetensors.__version__, upload=upload, download=download, range=ranged, multipart=multipart)
