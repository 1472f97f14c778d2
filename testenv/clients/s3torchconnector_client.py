# SPDX-License-Identifier: Apache-2.0
"""What s3torchconnector is without PyTorch: its s3torchconnectorclient, the C runtime of AWS under a client of Mountpoint's."""

import os

import s3torchconnectorclient
from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client

import story

s3 = MountpointS3Client(region=os.environ["AWS_REGION"], endpoint=os.environ["AWS_ENDPOINT_URL"], force_path_style=True, part_size=8 << 20)
B, P = story.bucket, story.prefix
small = story.make("small é.bin", 300_007)
with open(small, "rb") as f:
    DATA = f.read()


def put(key, pieces):
    stream = s3.put_object(B, key)
    for piece in pieces:
        stream.write(piece)
    stream.close()


def get(key, **bounds):
    return b"".join(s3.get_object(B, key, **bounds))


def keys(prefix):
    return {o.key: o.size for page in s3.list_objects(B, prefix, max_keys=2) for o in page.object_info}


def upload():
    put(P + "a b+%é/small.bin", [DATA])
    put(P + "empty", [])
    put(P + "pieces", [DATA[:7], DATA[7:65_536], DATA[65_536:]])


def download():
    assert get(P + "a b+%é/small.bin") == DATA == get(P + "pieces")
    assert get(P + "empty") == b""


def ranged():
    assert get(P + "pieces", start=65_530, end=131_081) == DATA[65_530:131_081]
    assert get(P + "pieces", start=len(DATA) - 7, end=len(DATA)) == DATA[-7:]


def listed():
    assert keys(P) == {P + "a b+%é/small.bin": 300_007, P + "empty": 0, P + "pieces": 300_007}, keys(P)
    head = s3.head_object(B, P + "pieces")
    assert head.size == 300_007 and head.etag, head


def copy():
    s3.copy_object(B, P + "pieces", B, P + "copied")
    assert get(P + "copied") == DATA


def delete():
    for key in keys(P):
        s3.delete_object(B, key)
    assert keys(P) == {}


def multipart():
    big, back = story.make("large.bin", story.LARGE), os.path.join(story.folder, "back")
    with open(big, "rb") as f:
        put(P + "large.bin", iter(lambda: f.read(1 << 20), b""))
    assert s3.head_object(B, P + "large.bin").size == story.LARGE
    with open(back, "wb") as f:
        for piece in s3.get_object(B, P + "large.bin"):
            f.write(piece)
    story.same(back, big)
    s3.delete_object(B, P + "large.bin")


story.tell(s3torchconnectorclient.__version__, upload=upload, download=download, range=ranged, list=listed, copy=copy, delete=delete, multipart=multipart)
