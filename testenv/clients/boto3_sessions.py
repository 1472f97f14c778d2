# SPDX-License-Identifier: Apache-2.0
"""What a job does with boto3 that has no client certificate and was changed for nobody.

Everything comes from the environment: AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN, AWS_ENDPOINT_URL_STS,
AWS_ENDPOINT_URL_S3, AWS_CA_BUNDLE. Called with whom the token speaks of.
"""

import io
import os
import ssl
import sys
import urllib.error
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

who = sys.argv[1]
s3 = boto3.client("s3", config=Config(signature_version="s3v4", retries={"total_max_attempts": 1}))
sts = boto3.client("sts")

me = sts.get_caller_identity()
assert me["UserId"] == who, me
assert len(me["Account"]) == 32, me


def expect(code, call, **args):
    try:
        call(**args)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, (e.response["Error"], code)
        return e.response
    raise AssertionError(f"{call.__name__} should have been answered {code}")


for size in [0, 1, 65537, (1 << 20) + 3]:
    data = os.urandom(size)
    key = f"ci/ä b+%/{size}.bin"
    s3.put_object(Bucket="models", Key=key, Body=data, Metadata={"epoch": "7"})
    got = s3.get_object(Bucket="models", Key=key, ChecksumMode="ENABLED")
    assert got["Body"].read() == data and got["Metadata"] == {"epoch": "7"}

# In parts, in parallel, each of them signed. Two threads of a client that connect at once may send a hello that no server can read
# (S3.md, "boto3 in threads"): that is tried again, as where nobody has turned retries off. No answer needs it.
threads = boto3.client("s3", config=Config(signature_version="s3v4"))
answers = []
threads.meta.events.register("needs-retry.s3", lambda response, **_: answers.append(response and response[0].status_code))
data = os.urandom((20 << 20) + 5)
threads.upload_fileobj(io.BytesIO(data), "models", "ci/big.bin", Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20, max_concurrency=3))
back = io.BytesIO()
threads.download_fileobj("models", "ci/big.bin", back)
assert back.getvalue() == data
assert {200, 206} <= set(answers) <= {200, 206, None}, answers
keys = [o["Key"] for o in s3.list_objects_v2(Bucket="models", Prefix="ci/")["Contents"]]
assert "ci/big.bin" in keys and len(keys) == 5, keys

# What the identity may not do, its keys cannot.
expect("AccessDenied", s3.get_object, Bucket="models", Key="elsewhere/x")
expect("AccessDenied", s3.put_object, Bucket="datasets", Key="x", Body=b"x")

# Presigned: for somebody who holds nothing but the URL.
context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])


def http(method, url, body=None, headers=None):
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, context=context) as r:
            return r.status, r.read(), r.headers
    except urllib.error.HTTPError as e:
        return e.code, e.read(), e.headers


def presign(call, expires=60, **params):
    return s3.generate_presigned_url(call, Params=dict(Bucket="models", **params), ExpiresIn=expires)


status, body, _ = http("GET", presign("get_object", Key="ci/big.bin"))
assert status == 200 and body == data, status
status, body, _ = http("GET", presign("get_object", Key="ci/big.bin"), headers={"Range": "bytes=5-9"})
assert status == 206 and body == data[5:10], status
assert http("HEAD", presign("head_object", Key="ci/big.bin"))[0] == 200
assert http("PUT", presign("put_object", Key="ci/put.bin"), b"put")[0] == 200
assert s3.get_object(Bucket="models", Key="ci/put.bin")["Body"].read() == b"put"
assert http("GET", presign("list_objects_v2"))[0] == 403
assert http("DELETE", presign("delete_object", Key="ci/put.bin"))[0] == 403
assert http("GET", presign("get_object", Key="ci/put.bin", expires=7200))[0] == 403

upload = s3.create_multipart_upload(Bucket="models", Key="ci/parts.bin")["UploadId"]
parts = []
for number, chunk in enumerate([data[:5 << 20], b"the end"], 1):
    status, _, headers = http("PUT", presign("upload_part", Key="ci/parts.bin", UploadId=upload, PartNumber=number), chunk)
    assert status == 200, status
    parts.append({"PartNumber": number, "ETag": headers["ETag"]})
s3.complete_multipart_upload(Bucket="models", Key="ci/parts.bin", UploadId=upload, MultipartUpload={"Parts": parts})
assert s3.get_object(Bucket="models", Key="ci/parts.bin")["Body"].read() == data[:5 << 20] + b"the end"

# A token that asks for less, and one that is over.
less = boto3.client("sts").assume_role_with_web_identity(
    RoleArn=os.environ["AWS_ROLE_ARN"], RoleSessionName="less", DurationSeconds=900, WebIdentityToken=open(os.environ["AWS_WEB_IDENTITY_TOKEN_FILE"]).read(),
    Policy='{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::models/ci/put.bin"}}')["Credentials"]
narrow = boto3.client("s3", aws_access_key_id=less["AccessKeyId"], aws_secret_access_key=less["SecretAccessKey"], aws_session_token=less["SessionToken"])
assert narrow.get_object(Bucket="models", Key="ci/put.bin")["Body"].read() == b"put"
expect("AccessDenied", narrow.get_object, Bucket="models", Key="ci/big.bin")
expect("AccessDenied", narrow.put_object, Bucket="models", Key="ci/put.bin", Body=b"x")
expect("InvalidIdentityToken", boto3.client("sts").assume_role_with_web_identity, RoleArn=os.environ["AWS_ROLE_ARN"], RoleSessionName="none", WebIdentityToken="hello")
print("story told")
