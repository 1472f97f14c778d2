# SPDX-License-Identifier: Apache-2.0
"""Arrow's own S3 client, which is C++, and datasets of Parquet above it."""

import os

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs
import pyarrow.parquet as pq

import story

s3, _ = pyarrow.fs.FileSystem.from_uri(f"s3://{story.base}")  # S3FileSystem() alone reads no endpoint from the environment
B = story.base
small = story.make("small é.bin", 300_007)
with open(small, "rb") as f:
    DATA = f.read()
TABLE = pa.table({"epoch": [1, 1, 2, 2, 3], "loss": [0.9, 0.7, 0.5, 0.4, 0.35], "note": ["a", "ä", None, "", "+%"]})


def write(path, data):
    with s3.open_output_stream(path) as out:
        out.write(data)


def read(path):
    with s3.open_input_stream(path) as f:
        return f.read()


def upload():
    write(B + "s/a b+%é/small.bin", DATA)
    write(B + "s/empty", b"")
    pq.write_table(TABLE, B + "s/table.parquet", filesystem=s3)
    ds.write_dataset(TABLE, B + "parts", filesystem=s3, format="parquet", partitioning=["epoch"])


def download():
    assert read(B + "s/a b+%é/small.bin") == DATA and read(B + "s/empty") == b""
    assert pq.read_table(f"s3://{B}s/table.parquet").equals(TABLE)
    back = ds.dataset(B + "parts", filesystem=s3, partitioning=ds.partitioning(pa.schema([("epoch", pa.int64())]))).to_table()
    assert back.select(TABLE.column_names).sort_by([("epoch", "ascending"), ("loss", "descending")]).equals(TABLE), back


def ranged():
    with s3.open_input_file(B + "s/a b+%é/small.bin") as f:
        assert f.size() == len(DATA)
        assert f.read_at(65_551, 65_530) == DATA[65_530:131_081]
        f.seek(len(DATA) - 7)
        assert f.read() == DATA[-7:]
    column = pq.ParquetFile(B + "s/table.parquet", filesystem=s3).read(columns=["loss"])
    assert column.column("loss").to_pylist() == TABLE.column("loss").to_pylist()


def listed():
    found = {o.path: o.size for o in s3.get_file_info(pyarrow.fs.FileSelector(B + "s", recursive=True)) if o.is_file}
    assert found[B + "s/a b+%é/small.bin"] == 300_007 and found[B + "s/empty"] == 0 and len(found) == 3, found
    parts = sorted(o.path for o in s3.get_file_info(pyarrow.fs.FileSelector(B + "parts")))
    assert parts == [f"{B}parts/{n}" for n in [1, 2, 3]], parts
    assert s3.get_file_info(B + "s/absent").type == pyarrow.fs.FileType.NotFound


def copy():
    s3.copy_file(B + "s/a b+%é/small.bin", B + "s/copied")
    assert read(B + "s/copied") == DATA
    s3.move(B + "s/copied", B + "s/moved")
    assert read(B + "s/moved") == DATA and s3.get_file_info(B + "s/copied").type == pyarrow.fs.FileType.NotFound


def delete():
    s3.delete_file(B + "s/moved")
    s3.create_dir(B + "made")
    assert s3.get_file_info(B + "made").type == pyarrow.fs.FileType.Directory
    for name in ["made", "s", "parts"]:
        s3.delete_dir(B + name)
        assert s3.get_file_info(pyarrow.fs.FileSelector(B + name, recursive=True, allow_not_found=True)) == []


def multipart():
    big, back = story.make("large.bin", story.LARGE), os.path.join(story.folder, "back")
    with open(big, "rb") as f, s3.open_output_stream(B + "large.bin") as out:
        while piece := f.read(8 << 20):
            out.write(piece)
    assert s3.get_file_info(B + "large.bin").size == story.LARGE
    pyarrow.fs.copy_files(B + "large.bin", back, source_filesystem=s3, destination_filesystem=pyarrow.fs.LocalFileSystem())
    story.same(back, big)
    s3.delete_file(B + "large.bin")


story.tell(pa.__version__, upload=upload, download=download, range=ranged, list=listed, copy=copy, delete=delete, multipart=multipart)
