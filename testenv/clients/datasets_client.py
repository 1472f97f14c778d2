# SPDX-License-Identifier: Apache-2.0
"""Hugging Face datasets, from Parquet over s3fs: whole, streaming, and saved in its own form."""

import hashlib
import os

import story
from s3fs_options import OPTIONS

os.environ.update(HF_HOME=os.path.join(story.folder, "hf"), HF_HUB_DISABLE_TELEMETRY="1", HF_UPDATE_DOWNLOAD_COUNTS="0", HF_DATASETS_DISABLE_PROGRESS_BARS="1")

import datasets  # noqa: E402  it reads its environment once

U = "s3://" + story.base
# datasets adds to the options that it is handed what s3fs then does not know: each call gets its own.
ROWS = [{"n": n, "text": f"ä{n}", "raw": os.urandom(1000)} for n in range(900)]


def load(files, **options):
    return datasets.load_dataset("parquet", data_files={"train": files}, split="train", storage_options=dict(OPTIONS), **options)


def upload():
    for shard in range(3):
        datasets.Dataset.from_list(ROWS[300 * shard:300 * (shard + 1)]).to_parquet(f"{U}many/{shard}.parquet", storage_options=dict(OPTIONS))
    datasets.Dataset.from_list(ROWS).save_to_disk(U + "saved", storage_options=dict(OPTIONS))


def download():
    assert load(f"{U}many/1.parquet").to_list() == ROWS[300:600]
    assert datasets.load_from_disk(U + "saved", storage_options=dict(OPTIONS)).to_list() == ROWS


def ranged():
    stream = load(f"{U}many/*.parquet", streaming=True, columns=["n"])
    assert [row["n"] for row in stream.skip(295).take(10)] == list(range(295, 305))


def listed():
    stream = load(f"{U}many/*.parquet", streaming=True)
    assert stream.num_shards == 3, stream.num_shards
    assert list(stream) == ROWS


def multipart():
    def rows():
        for n in range(story.LARGE >> 20):
            yield {"n": n, "raw": os.urandom(1 << 20)}

    big = datasets.Dataset.from_generator(rows, cache_dir=os.path.join(story.folder, "made"), writer_batch_size=16)
    assert big.to_parquet(U + "large.parquet", batch_size=16, storage_options=dict(OPTIONS)) >= story.LARGE
    want = [hashlib.sha256(row["raw"]).digest() for row in big]
    got = [hashlib.sha256(row["raw"]).digest() for row in load(U + "large.parquet", streaming=True)]
    assert got == want and len(got) == story.LARGE >> 20


story.tell(datasets.__version__, upload=upload, download=download, range=ranged, list=listed, multipart=multipart)
