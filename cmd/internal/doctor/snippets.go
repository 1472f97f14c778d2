// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"fmt"
	"strings"
)

// viaAgent is the first line of all that goes through the agent. The files of
// the agent are written by "sealgate-agent serve".
const viaAgent = `eval "$(sealgate-agent env)"     # or: sealgate-agent run -- CMD` + "\n"

// files are where an SVID lies for a client that shows it itself.
const files = "sealgate certs fetch --out me    # svid.pem, key.pem, bundle.pem; again before they expire\n"

// python writes a script that a shell can run.
func python(lines ...string) string {
	return "python3 - <<'EOF'\n" + strings.Join(lines, "\n") + "\nEOF\n"
}

func boto3Snippet(l *look, w way, bucket, key string) string {
	if w != wayMTLS {
		return viaAgent + python("import boto3", fmt.Sprintf("print(boto3.client('s3').head_object(Bucket=%q, Key=%q)['ContentLength'])", bucket, key))
	}
	return files + python("import boto3", "from boto3.s3.transfer import TransferConfig", "from botocore.config import Config",
		"# One thread, one client: Python crashes where one thread loads the certificate while another connects with it.",
		"# So no transfer in threads: s3.download_file(bucket, key, file, Config=alone); upload_file and copy likewise.",
		"# Through sealgate-agent threads are safe.",
		"alone = TransferConfig(use_threads=False)",
		fmt.Sprintf("s3 = boto3.client('s3', endpoint_url=%q, region_name='us-east-1', verify='me/bundle.pem',", l.Gateway),
		"    aws_access_key_id='any', aws_secret_access_key='any',",
		"    config=Config(client_cert=('me/svid.pem', 'me/key.pem'), s3={'addressing_style': 'path'}))",
		fmt.Sprintf("print(s3.head_object(Bucket=%q, Key=%q)['ContentLength'])", bucket, key))
}

func awsSnippet(_ *look, _ way, bucket, key string) string {
	return viaAgent + fmt.Sprintf("aws s3 ls 's3://%s/%s'\n", bucket, key)
}

func s3fsSnippet(l *look, w way, bucket, key string) string {
	if w != wayMTLS {
		return viaAgent + python("import s3fs", fmt.Sprintf("print(s3fs.S3FileSystem().info('%s/%s')['size'])", bucket, key))
	}
	return files + python("import s3fs",
		fmt.Sprintf("fs = s3fs.S3FileSystem(key='any', secret='any', client_kwargs={'endpoint_url': %q, 'verify': 'me/bundle.pem'},", l.Gateway),
		"    config_kwargs={'client_cert': ('me/svid.pem', 'me/key.pem')})",
		fmt.Sprintf("print(fs.info('%s/%s')['size'])", bucket, key))
}

func datasetsSnippet(l *look, w way, bucket, key string) string {
	if w != wayMTLS {
		return viaAgent + python("from datasets import load_dataset",
			fmt.Sprintf("print(load_dataset('parquet', data_files='s3://%s/%s', streaming=True))", bucket, key))
	}
	return files + python("from datasets import load_dataset",
		fmt.Sprintf("options = {'key': 'any', 'secret': 'any', 'client_kwargs': {'endpoint_url': %q, 'verify': 'me/bundle.pem'},", l.Gateway),
		"    'config_kwargs': {'client_cert': ('me/svid.pem', 'me/key.pem')}}",
		fmt.Sprintf("print(load_dataset('parquet', data_files='s3://%s/%s', storage_options=options, streaming=True))", bucket, key))
}

func dvcSnippet(_ *look, _ way, bucket, key string) string {
	return viaAgent + fmt.Sprintf("dvc remote add --default --force sealgate 's3://%s/%s'\ndvc push\n", bucket, strings.TrimSuffix(key, "/"))
}

func mlflowSnippet(_ *look, _ way, bucket, key string) string {
	return viaAgent + fmt.Sprintf("mlflow artifacts list --artifact-uri 's3://%s/%s'\n", bucket, key)
}

func arrowSnippet(_ *look, _ way, bucket, key string) string {
	return viaAgent + python("from pyarrow.fs import FileSystem", fmt.Sprintf("s3, path = FileSystem.from_uri('s3://%s/%s')", bucket, key),
		"print(s3.get_file_info(path).size)")
}

func s5cmdSnippet(_ *look, _ way, bucket, key string) string {
	return viaAgent + fmt.Sprintf("s5cmd ls 's3://%s/%s'\n", bucket, key)
}

func torchSnippet(_ *look, _ way, bucket, key string) string {
	return viaAgent + python("import os", "from s3torchconnector import S3MapDataset, S3ClientConfig",
		fmt.Sprintf("data = S3MapDataset.from_objects(['s3://%s/%s'], region='us-east-1',", bucket, key),
		"    endpoint=os.environ['AWS_ENDPOINT_URL'], s3client_config=S3ClientConfig(force_path_style=True))",
		"print(len(data[0].read()))")
}

func minioSnippet(_ *look, w way, bucket, key string) string {
	if w != wayMTLS {
		return viaAgent + fmt.Sprintf(`// u is the URL in $AWS_ENDPOINT_URL_S3
c, err := minio.New(u.Host, &minio.Options{Creds: credentials.NewEnvAWS(), Secure: false, BucketLookup: minio.BucketLookupPath})
info, err := c.StatObject(ctx, %q, %q, minio.StatObjectOptions{})
`, bucket, key)
	}
	return files + fmt.Sprintf(`// tlsConfig holds Certificates (me/svid.pem, me/key.pem) and RootCAs (me/bundle.pem)
c, err := minio.New(host, &minio.Options{Creds: credentials.NewStaticV4("any", "any", ""), Secure: true,
	Transport: &http.Transport{TLSClientConfig: tlsConfig}, BucketLookup: minio.BucketLookupPath})
info, err := c.StatObject(ctx, %q, %q, minio.StatObjectOptions{})
`, bucket, key)
}

func awsGoSnippet(l *look, w way, bucket, key string) string {
	head := fmt.Sprintf("head, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(%q), Key: aws.String(%q)})\n", bucket, key)
	if w != wayMTLS {
		return viaAgent + "cfg, err := config.LoadDefaultConfig(ctx)\nc := s3.NewFromConfig(cfg)\n" + head
	}
	return files + fmt.Sprintf(`// tlsConfig holds Certificates (me/svid.pem, me/key.pem) and RootCAs (me/bundle.pem)
c := s3.New(s3.Options{BaseEndpoint: aws.String(%q), UsePathStyle: true, Region: "us-east-1",
	HTTPClient:  &http.Client{Transport: &http.Transport{TLSClientConfig: tlsConfig}},
	Credentials: credentials.NewStaticCredentialsProvider("any", "any", "")})
`, l.Gateway) + head
}

func rcloneSnippet(l *look, w way, bucket, key string) string {
	if w != wayMTLS {
		return viaAgent + fmt.Sprintf("rclone lsl 'sealgate:%s/%s'\n", bucket, key)
	}
	return files + fmt.Sprintf(`rclone --client-cert me/svid.pem --client-key me/key.pem --ca-cert me/bundle.pem \
  lsl ":s3,provider=Other,endpoint='%s',access_key_id=any,secret_access_key=any:%s/%s"
`, l.Gateway, bucket, key)
}

func curlSnippet(l *look, w way, bucket, key string) string {
	if w != wayMTLS {
		return viaAgent + fmt.Sprintf(`curl --fail --head --aws-sigv4 "aws:amz:us-east-1:s3" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
  -H "x-amz-content-sha256: UNSIGNED-PAYLOAD" "$AWS_ENDPOINT_URL_S3/%s/%s"
`, bucket, key)
	}
	return files + fmt.Sprintf("curl --fail --head --cert me/svid.pem --key me/key.pem --cacert me/bundle.pem '%s/%s/%s'\n", l.Gateway, bucket, key)
}
