# SPDX-License-Identifier: Apache-2.0
"""The token service as boto3 sees it: sts.py URL ACCESS_KEY SECRET TOKEN."""

import datetime
import sys

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import ClientError

url, key, secret, token = sys.argv[1:]
once = dict(retries={"total_max_attempts": 1})


def client(**kw):
    return boto3.client("sts", endpoint_url=url, region_name="us-east-1", config=Config(**once, **kw.pop("config", {})), **kw)


def refused(call, code):
    try:
        call()
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        assert e.response["Error"]["Message"], e.response
        assert e.response["ResponseMetadata"]["RequestId"] == "01JDREQUEST", e.response
        return
    raise AssertionError(f"{code} was not raised")


unsigned = client(config={"signature_version": botocore.UNSIGNED})
ask = dict(RoleArn="arn:sealgate:iam:::role/trainer", RoleSessionName="job", WebIdentityToken="aaaa.bbbb.cccc")
got = unsigned.assume_role_with_web_identity(**ask)
c = got["Credentials"]
assert (c["AccessKeyId"], c["SecretAccessKey"], c["SessionToken"]) == (key, secret, token)
assert c["Expiration"] > datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=50)
assert got["AssumedRoleUser"]["Arn"].endswith("assumed-role/trainer/job"), got
assert got["SubjectFromWebIdentityToken"] == "spiffe://acme.ai/job", got
assert got["ResponseMetadata"]["RequestId"] == "01JDREQUEST", got
refused(lambda: unsigned.assume_role_with_web_identity(**{**ask, "WebIdentityToken": "xxxx.yyyy.zzzz"}), "InvalidIdentityToken")
refused(lambda: unsigned.assume_role_with_web_identity(**ask, DurationSeconds=900, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/none"}]), "ValidationError")
refused(lambda: unsigned.assume_role_with_web_identity(**{**ask, "RoleSessionName": "job"}, ProviderId="www.amazon.com"), "ValidationError")

signed = dict(aws_access_key_id=key, aws_session_token=token)
who = client(aws_secret_access_key=secret, **signed).get_caller_identity()
assert who["UserId"] == "spiffe://acme.ai/job" and who["Account"] == "acme.ai", who
refused(client(aws_secret_access_key="another", **signed).get_caller_identity, "SignatureDoesNotMatch")
refused(client(aws_access_key_id="SGSAOTHER", aws_secret_access_key="x").get_caller_identity, "InvalidClientTokenId")
refused(lambda: client(aws_secret_access_key=secret, **signed).assume_role(RoleArn=ask["RoleArn"], RoleSessionName="job"), "InvalidAction")
print("boto3 is content", boto3.__version__)
