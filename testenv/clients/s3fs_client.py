# SPDX-License-Identifier: Apache-2.0
"""s3fs, and the rsync of fsspec above it."""

import os

import s3fs
from fsspec.generic import GenericFileSystem, rsync, set_generic_fs

import story
from s3fs_options import OPTIONS

fs = s3fs.S3FileSystem(**OPTIONS)
B = story.base
small = story.make("small é.bin", 300_007)
with open(small, "rb") as f:
    DATA = f.read()
back = os.path.join(story.folder, "back")


def upload():
    fs.put_file(small, B + "s/a b+%é/small.bin")
    fs.pipe_file(B + "s/empty", b"")
    with fs.open(B + "s/written", "wb") as f:
        for at in range(0, len(DATA), 65_536):
            f.write(DATA[at:at + 65_536])


def download():
    fs.get_file(B + "s/a b+%é/small.bin", back)
    story.same(back, small)
    assert fs.cat_file(B + "s/empty") == b""
    assert fs.cat_file(B + "s/written") == DATA


def ranged():
    assert fs.cat_file(B + "s/written", start=65_530, end=131_081) == DATA[65_530:131_081]
    with fs.open(B + "s/a b+%é/small.bin", "rb", cache_type="none") as f:
        f.seek(-7, os.SEEK_END)
        assert f.read() == DATA[-7:]
        f.seek(65_535)
        assert f.read(2) == DATA[65_535:65_537]
    assert fs.cat_ranges([B + "s/written"] * 2, [0, 200_000], [10, 200_010], max_gap=None) == [DATA[:10], DATA[200_000:200_010]]


def listed():
    fs.invalidate_cache()
    found = {name: o["size"] for name, o in fs.find(B + "s", detail=True).items()}
    assert found == {B + "s/a b+%é/small.bin": 300_007, B + "s/empty": 0, B + "s/written": 300_007}, found
    assert fs.ls(B + "s", detail=False, refresh=True) == [B + "s/a b+%é", B + "s/empty", B + "s/written"], fs.ls(B + "s", detail=False)
    assert fs.glob(B + "s/w*") == [B + "s/written"]
    assert not fs.exists(B + "s/absent")


def sync():
    for name, size in [("a", 3), ("deep er/b é", 70_000), ("c", 9 << 20)]:
        story.make("tree/" + name, size)
    set_generic_fs("s3", **OPTIONS)
    set_generic_fs("file")
    both = GenericFileSystem(default_method="generic")
    source, destination = "file://" + os.path.join(story.folder, "tree"), f"s3://{B}sync"
    for moved in [3, 0]:
        assert len(rsync(source, destination, fs=both)) == moved
        fs.invalidate_cache()
    assert len(fs.find(B + "sync")) == 3
    fs.get(B + "sync", os.path.join(story.folder, "tree back"), recursive=True)
    for name in ["a", "deep er/b é", "c"]:
        story.same(os.path.join(story.folder, "tree back", name), os.path.join(story.folder, "tree", name))


def copy():
    fs.copy(B + "s/a b+%é/small.bin", B + "s/copied")
    assert fs.cat_file(B + "s/copied") == DATA
    fs.mv(B + "s/copied", B + "s/moved")
    assert fs.cat_file(B + "s/moved") == DATA and not fs.exists(B + "s/copied")


def delete():
    fs.rm_file(B + "s/empty")
    fs.rm(B + "s", recursive=True)
    fs.invalidate_cache()
    assert fs.find(B + "s") == []


def multipart():
    big = story.make("large.bin", story.LARGE)
    fs.put_file(big, B + "large.bin", chunksize=16 << 20)
    assert fs.info(B + "large.bin", refresh=True)["size"] == story.LARGE
    fs.get_file(B + "large.bin", back)
    story.same(back, big)
    fs.rm_file(B + "large.bin")


story.tell(s3fs.__version__, upload=upload, download=download, range=ranged, list=listed, sync=sync, copy=copy, delete=delete, multipart=multipart)
