# SPDX-License-Identifier: Apache-2.0
"""boto3, as it comes: on the way agent it is told nothing at all.

With a certificate of its own it transfers in one thread: urllib3 loads it into the one TLS context anew for each connection, and where
another thread makes a connection of it meanwhile, Python dies of a segmentation fault (S3.md, "boto3 in threads").
"""

import os
import threading

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

import story

if story.way == "mTLS":
    s3 = boto3.client(
        "s3", endpoint_url=story.endpoint, aws_access_key_id="any", aws_secret_access_key="any", region_name="us-east-1", verify=story.ca,
        config=Config(client_cert=(story.cert, story.key), s3={"addressing_style": "path"}))
else:
    s3 = boto3.client("s3")

HOW = TransferConfig(use_threads=story.way != "mTLS")
B, P = story.bucket, story.prefix
small = story.make("small é.bin", 300_007)
back = os.path.join(story.folder, "back")


def upload():
    s3.upload_file(small, B, P + "a b+%é/small.bin", ExtraArgs={"Metadata": {"epoch": "7"}}, Config=HOW)
    assert s3.head_object(Bucket=B, Key=P + "a b+%é/small.bin")["Metadata"] == {"epoch": "7"}
    s3.put_object(Bucket=B, Key=P + "empty", Body=b"")


def download():
    s3.download_file(B, P + "a b+%é/small.bin", back, Config=HOW)
    story.same(back, small)
    assert s3.get_object(Bucket=B, Key=P + "empty")["Body"].read() == b""


def ranged():
    part = s3.get_object(Bucket=B, Key=P + "a b+%é/small.bin", Range="bytes=65530-131080")
    with open(small, "rb") as f:
        f.seek(65530)
        assert part["Body"].read() == f.read(131080 - 65530 + 1)
    assert part["ContentRange"] == "bytes 65530-131080/300007"


def listed():
    found = {o["Key"]: o["Size"] for o in s3.list_objects_v2(Bucket=B, Prefix=P)["Contents"]}
    assert found == {P + "a b+%é/small.bin": 300_007, P + "empty": 0}, found


def copy():
    s3.copy({"Bucket": B, "Key": P + "a b+%é/small.bin"}, B, P + "copied", Config=HOW)
    s3.download_file(B, P + "copied", back, Config=HOW)
    story.same(back, small)


def delete():
    keys = [P + "a b+%é/small.bin", P + "empty", P + "copied"]
    assert len(s3.delete_objects(Bucket=B, Delete={"Objects": [{"Key": k} for k in keys]})["Deleted"]) == 3
    assert "Contents" not in s3.list_objects_v2(Bucket=B, Prefix=P)


def multipart():
    big = story.make("large.bin", story.LARGE)
    s3.upload_file(big, B, P + "large.bin", Config=HOW)
    etag = s3.head_object(Bucket=B, Key=P + "large.bin")["ETag"]
    assert "-" in etag
    asked, threads = [], set()

    def ask(params, **_):
        asked.append((params["headers"]["Range"], params["headers"]["If-Match"]))
        threads.add(threading.get_ident())

    s3.meta.events.register("before-call.s3.GetObject", ask)
    s3.download_file(B, P + "large.bin", back, Config=HOW)
    s3.meta.events.unregister("before-call.s3.GetObject", ask)
    story.same(back, big)
    # Ranges of one object, bound to its ETag: in parallel, but for the way that does not bear it.
    assert len({at for at, _ in asked}) == story.LARGE // HOW.multipart_chunksize, asked
    assert {tag for _, tag in asked} == {etag}, asked
    assert (threads == {threading.get_ident()}) == (story.way == "mTLS"), threads
    s3.delete_object(Bucket=B, Key=P + "large.bin")


story.tell(boto3.__version__, upload=upload, download=download, range=ranged, list=listed, copy=copy, delete=delete, multipart=multipart)
