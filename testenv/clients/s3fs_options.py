# SPDX-License-Identifier: Apache-2.0
"""What s3fs is told, by itself or by a library above it: on the way agent nothing at all."""

import story

OPTIONS = {}
if story.way == "mTLS":
    OPTIONS = {"key": "any", "secret": "any", "client_kwargs": {"endpoint_url": story.endpoint, "verify": story.ca}, "config_kwargs": {"client_cert": (story.cert, story.key)}}
