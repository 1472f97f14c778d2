# SPDX-License-Identifier: Apache-2.0
"""What a job does with boto3 that holds a token of its platform and no certificate.

Everything comes from the environment: AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN, AWS_ENDPOINT_URL_STS,
AWS_ENDPOINT_URL_S3, AWS_CA_BUNDLE. Called with whom the token speaks of.
"""

import json
import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

once = Config(retries={"total_max_attempts": 1})
s3 = boto3.client("s3", config=once)
sts = boto3.client("sts", config=once)
me = sts.get_caller_identity()
assert me["UserId"] == sys.argv[1], me

for key in ["a/x", "a/deep/y", "ab/x", "b/x"]:
    s3.put_object(Bucket="models", Key=key, Body=key.encode())


def narrowed(resource, *actions, **more):
    """A client whose keys are for one resource alone."""
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": resource}]}
    with open(os.environ["AWS_WEB_IDENTITY_TOKEN_FILE"], encoding="ascii") as f:
        c = sts.assume_role_with_web_identity(
            RoleArn=os.environ["AWS_ROLE_ARN"], RoleSessionName="narrow", WebIdentityToken=f.read(), Policy=json.dumps(document), **more
        )["Credentials"]
    return boto3.client("s3", config=once, aws_access_key_id=c["AccessKeyId"], aws_secret_access_key=c["SecretAccessKey"], aws_session_token=c["SessionToken"])


def denied(call, **args):
    try:
        call(**args)
    except ClientError as e:
        assert e.response["Error"]["Code"] in ("AccessDenied", "403"), e.response
        return
    raise AssertionError(f"{call.__name__} {args} should have been denied")


prefix = narrowed("arn:aws:s3:::models/a/*", "s3:GetObject", "s3:ListBucket")
assert prefix.get_object(Bucket="models", Key="a/x")["Body"].read() == b"a/x"
assert prefix.get_object(Bucket="models", Key="a/deep/y")["Body"].read() == b"a/deep/y"
assert [o["Key"] for o in prefix.list_objects_v2(Bucket="models")["Contents"]] == ["a/deep/y", "a/x"]
denied(prefix.get_object, Bucket="models", Key="ab/x")
denied(prefix.get_object, Bucket="models", Key="b/x")
denied(prefix.head_object, Bucket="models", Key="b/x")
denied(prefix.put_object, Bucket="models", Key="a/x", Body=b"z")
denied(prefix.delete_object, Bucket="models", Key="a/x")
denied(prefix.copy_object, Bucket="models", Key="a/z", CopySource={"Bucket": "models", "Key": "b/x"})
denied(prefix.get_object, Bucket="datasets", Key="a/x")

one = narrowed("arn:aws:s3:::models/a/x", "s3:GetObject", DurationSeconds=900)
assert one.get_object(Bucket="models", Key="a/x")["Body"].read() == b"a/x"
denied(one.get_object, Bucket="models", Key="a/x2")
denied(one.get_object, Bucket="models", Key="a/deep/y")

assert s3.get_object(Bucket="models", Key="a/x")["Body"].read() == b"a/x"
print("all as expected")
