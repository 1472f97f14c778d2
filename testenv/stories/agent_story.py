# SPDX-License-Identifier: Apache-2.0

"""An ordinary boto3 script: nothing in it knows of Sealgate or its agent."""

import filecmp
import os
import sys

import boto3
from botocore.exceptions import ClientError

small, large, back = sys.argv[1:4]
s3 = boto3.client("s3")
body = open(small, "rb").read()

s3.put_object(Bucket="models", Key="b/small", Body=body, Metadata={"made-by": "boto3"}, ContentType="application/x-test")
got = s3.get_object(Bucket="models", Key="b/small")
assert got["Body"].read() == body and got["Metadata"] == {"made-by": "boto3"} and got["ContentType"] == "application/x-test", got
part = s3.get_object(Bucket="models", Key="b/small", Range="bytes=70000-140000", IfMatch=got["ETag"])
assert part["Body"].read() == body[70000:140001] and part["ContentRange"] == "bytes 70000-140000/%d" % len(body), part
for key in ("b/empty", "b/ä ö+%&", "b/a//c"):
    s3.put_object(Bucket="models", Key=key, Body=b"")
keys = [o["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="models", Prefix="b/", PaginationConfig={"PageSize": 2}) for o in page["Contents"]]
assert keys == sorted(["b/small", "b/empty", "b/ä ö+%&", "b/a//c"], key=lambda k: k.encode()), keys

s3.upload_file(large, "models", "b/large")
head = s3.head_object(Bucket="models", Key="b/large")
assert head["ContentLength"] == os.path.getsize(large), head
s3.download_file("models", "b/large", back)
assert filecmp.cmp(large, back, shallow=False)
os.remove(back)

s3.copy_object(Bucket="models", Key="b/copied", CopySource={"Bucket": "models", "Key": "b/small"})
assert s3.get_object(Bucket="models", Key="b/copied")["Body"].read() == body
s3.delete_objects(Bucket="models", Delete={"Objects": [{"Key": k} for k in keys + ["b/copied"]]})
s3.delete_object(Bucket="models", Key="b/large")
assert "Contents" not in s3.list_objects_v2(Bucket="models", Prefix="b/")

for call in (lambda: s3.get_object(Bucket="models", Key="b/small"), lambda: s3.head_object(Bucket="models", Key="b/small")):
    try:
        call()
        raise SystemExit("what was deleted is there")
    except ClientError as e:
        assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 404, e
print("all as expected")
