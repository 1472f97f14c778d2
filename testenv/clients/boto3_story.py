# SPDX-License-Identifier: Apache-2.0
"""What a training job does with boto3, unmodified, over mTLS.

Called with the endpoint and a directory with svid.pem, key.pem, bundle.pem.
"""

import hashlib
import io
import os
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, ident = sys.argv[1:]
s3 = boto3.client(
    "s3", endpoint_url=endpoint, aws_access_key_id="any", aws_secret_access_key="any", region_name="us-east-1",
    verify=f"{ident}/bundle.pem",
    config=Config(client_cert=(f"{ident}/svid.pem", f"{ident}/key.pem"), s3={"addressing_style": "path"},
                  retries={"total_max_attempts": 1}),
)
# Transfers never run in threads here: urllib3 loads the certificate into the one TLS context anew for each connection, and where
# another thread makes a connection of it meanwhile, Python dies of a segmentation fault (S3.md, "boto3 in threads").
ALONE = TransferConfig(use_threads=False)
SIZES = [0, 1, 65535, 65536, 65537, 1 << 20, (8 << 20) + 3, 200 << 20]


def expect(code, call, **args):
    try:
        call(**args)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, (e.response["Error"], code)
        return e.response
    raise AssertionError(f"{call.__name__} should have been answered {code}")


for size in SIZES:
    data = os.urandom(size)
    key = f"boto3/ä b+%/{size}.bin"
    put = s3.put_object(Bucket="models", Key=key, Body=data, Metadata={"epoch": "7", "note": "a b"}, ContentType="application/x-test")
    head = s3.head_object(Bucket="models", Key=key)
    assert head["ContentLength"] == size, (head["ContentLength"], size)
    assert head["ETag"] == put["ETag"]
    assert head["Metadata"] == {"epoch": "7", "note": "a b"}, head["Metadata"]
    assert head["ContentType"] == "application/x-test"
    got = s3.get_object(Bucket="models", Key=key)
    assert hashlib.sha256(got["Body"].read()).digest() == hashlib.sha256(data).digest(), f"{size} bytes came back otherwise"
    if size:
        for first, last in {(0, 0), (size - 1, size - 1), (max(0, size // 2 - 40000), min(size - 1, size // 2 + 40000))}:
            part = s3.get_object(Bucket="models", Key=key, Range=f"bytes={first}-{last}")
            assert part["Body"].read() == data[first:last + 1], (size, first, last)
            assert part["ContentRange"] == f"bytes {first}-{last}/{size}"
        tail = s3.get_object(Bucket="models", Key=key, Range="bytes=-5")["Body"].read()
        assert tail == data[-5:]
        past = s3.get_object(Bucket="models", Key=key, Range=f"bytes=0-{size + 1000}")["Body"].read()
        assert past == data
    expect("InvalidRange", s3.get_object, Bucket="models", Key=key, Range=f"bytes={size + 1}-")

# The download of a large object: HEAD, then ranges bound to its ETag.
big = io.BytesIO()
s3.download_fileobj("models", f"boto3/ä b+%/{SIZES[-1]}.bin", big, Config=ALONE)
assert hashlib.sha256(big.getvalue()).digest() == hashlib.sha256(data).digest()

# Every checksum that an SDK can ask for.
for algorithm in ["CRC32", "SHA1", "SHA256"]:
    s3.put_object(Bucket="models", Key="boto3/sums", Body=b"sum me", ChecksumAlgorithm=algorithm)
    back = s3.get_object(Bucket="models", Key="boto3/sums", ChecksumMode="ENABLED")
    assert back["Body"].read() == b"sum me"
    assert back.get(f"Checksum{algorithm}"), (algorithm, back)
expect("BadDigest", s3.put_object, Bucket="models", Key="boto3/bad", Body=b"x", ChecksumSHA256="A" * 43 + "=")
expect("NoSuchKey", s3.get_object, Bucket="models", Key="boto3/bad")

# Conditions.
s3.put_object(Bucket="models", Key="boto3/once", Body=b"1", IfNoneMatch="*")
expect("PreconditionFailed", s3.put_object, Bucket="models", Key="boto3/once", Body=b"2", IfNoneMatch="*")
etag = s3.head_object(Bucket="models", Key="boto3/once")["ETag"]
s3.put_object(Bucket="models", Key="boto3/once", Body=b"3", IfMatch=etag)
expect("PreconditionFailed", s3.put_object, Bucket="models", Key="boto3/once", Body=b"4", IfMatch=etag)
assert s3.get_object(Bucket="models", Key="boto3/once")["Body"].read() == b"3"
expect("304", s3.get_object, Bucket="models", Key="boto3/once", IfNoneMatch=s3.head_object(Bucket="models", Key="boto3/once")["ETag"])

# Listings: both versions, pages, delimiters; sizes and ETags are those of HEAD.
keys = []
for page in s3.get_paginator("list_objects_v2").paginate(Bucket="models", Prefix="boto3/", PaginationConfig={"PageSize": 3}):
    for o in page.get("Contents", []):
        head = s3.head_object(Bucket="models", Key=o["Key"])
        assert (o["Size"], o["ETag"]) == (head["ContentLength"], head["ETag"]), o
        keys.append(o["Key"])
assert keys == sorted(keys, key=lambda k: k.encode()) and len(keys) == len(SIZES) + 2, keys
v1 = [o["Key"] for page in s3.get_paginator("list_objects").paginate(Bucket="models", Prefix="boto3/", PaginationConfig={"PageSize": 4})
      for o in page.get("Contents", [])]
assert v1 == keys
top = s3.list_objects_v2(Bucket="models", Prefix="boto3/", Delimiter="/")
assert [p["Prefix"] for p in top["CommonPrefixes"]] == ["boto3/ä b+%/"], top
assert {b["Name"] for b in s3.list_buckets()["Buckets"]} == {"datasets", "features", "models", "raw"}
s3.head_bucket(Bucket="models")
s3.get_bucket_location(Bucket="models")

# Uploads in parts: by the transfer manager, and by hand, last part first.
data = os.urandom((40 << 20) + 12345)
s3.upload_fileobj(io.BytesIO(data), "models", "boto3/managed", ExtraArgs={"Metadata": {"epoch": "8"}}, Config=ALONE)
head = s3.head_object(Bucket="models", Key="boto3/managed", ChecksumMode="ENABLED")
listed = s3.list_objects_v2(Bucket="models", Prefix="boto3/managed")["Contents"][0]
assert (head["ContentLength"], head["Metadata"], head["ETag"]) == (len(data), {"epoch": "8"}, listed["ETag"]) and listed["Size"] == len(data), (head, listed)
big = io.BytesIO()
s3.download_fileobj("models", "boto3/managed", big, Config=ALONE)
assert big.getvalue() == data

made = s3.create_multipart_upload(Bucket="models", Key="boto3/parts", ChecksumAlgorithm="SHA256", ContentType="application/x-parts")
by_hand = {"Bucket": "models", "Key": "boto3/parts", "UploadId": made["UploadId"]}
assert [u["Key"] for u in s3.list_multipart_uploads(Bucket="models", Prefix="boto3/")["Uploads"]] == ["boto3/parts"]
parts = []
for number, size in [(3, 7), (1, 5242881), (2, 6 << 20)]:
    sent = s3.upload_part(**by_hand, PartNumber=number, Body=data[number << 20:][:size], ChecksumAlgorithm="SHA256")
    parts.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": sent["ChecksumSHA256"]})
parts.sort(key=lambda p: p["PartNumber"])
shown = s3.list_parts(**by_hand)["Parts"]
assert [(p["PartNumber"], p["ETag"], p["Size"]) for p in shown] == [(p["PartNumber"], p["ETag"], n) for p, n in zip(parts, [5242881, 6 << 20, 7])], shown
expect("InvalidPart", s3.complete_multipart_upload, **by_hand, MultipartUpload={"Parts": [dict(parts[0], ETag='"0-1"')]})
expect("InvalidPartOrder", s3.complete_multipart_upload, **by_hand, MultipartUpload={"Parts": parts[::-1]})
for _ in range(2):  # a client that lost the answer asks again
    done = s3.complete_multipart_upload(**by_hand, MultipartUpload={"Parts": parts})
    assert done["ChecksumSHA256"].endswith("-3"), done
got = s3.get_object(Bucket="models", Key="boto3/parts", ChecksumMode="ENABLED")
assert got["Body"].read() == data[1 << 20:][:5242881] + data[2 << 20:][:6 << 20] + data[3 << 20:][:7]
assert (got["ETag"], got["ChecksumSHA256"], got["ContentType"]) == (done["ETag"], done["ChecksumSHA256"], "application/x-parts"), got
second = s3.get_object(Bucket="models", Key="boto3/parts", PartNumber=2)
assert second["Body"].read() == data[2 << 20:][:6 << 20] and second["PartsCount"] == 3
s3.copy({"Bucket": "models", "Key": "boto3/managed"}, "models", "boto3/copied",
        Config=TransferConfig(multipart_threshold=8 << 20, use_threads=False))  # UploadPartCopy
assert s3.get_object(Bucket="models", Key="boto3/copied")["Body"].read() == data
gone = s3.create_multipart_upload(Bucket="models", Key="boto3/gone")["UploadId"]
s3.upload_part(Bucket="models", Key="boto3/gone", UploadId=gone, PartNumber=1, Body=b"x")
s3.abort_multipart_upload(Bucket="models", Key="boto3/gone", UploadId=gone)
expect("NoSuchUpload", s3.list_parts, Bucket="models", Key="boto3/gone", UploadId=gone)
for key in ["managed", "parts", "copied"]:
    s3.delete_object(Bucket="models", Key=f"boto3/{key}")

# What is not allowed says so.
expect("AccessDenied", s3.put_object, Bucket="models", Key=".sealgate/x", Body=b"")

for key in keys:
    s3.delete_object(Bucket="models", Key=key)
assert "Contents" not in s3.list_objects_v2(Bucket="models", Prefix="boto3/")
print("story told")
