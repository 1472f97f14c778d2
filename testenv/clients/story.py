# SPDX-License-Identifier: Apache-2.0
"""What each script of a client gets, and how it tells what came of its steps.

tell(version, upload=f, download=g, ...) runs the steps in their order. One that fails does not keep the next from being tried.
"""

import hashlib
import os
import sys
import traceback

# way is "mTLS" or "agent"; endpoint, cert, key and ca are for mTLS alone: on the way agent everything comes from the environment.
way, bucket, prefix, folder, endpoint, _id = sys.argv[1:7]
LARGE = int(sys.argv[7])  # bytes of the multipart upload
rest = sys.argv[8:]
cert, key, ca = f"{_id}/svid.pem", f"{_id}/key.pem", f"{_id}/bundle.pem"
base = f"{bucket}/{prefix}"  # all that this client may touch


def make(name, size):
    """A file of random bytes in the folder; gives its path."""
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        for at in range(0, size, 1 << 20):
            f.write(os.urandom(min(1 << 20, size - at)))
    return path


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def same(a, b):
    assert digest(a) == digest(b), f"{a} ({os.path.getsize(a)} bytes) is not {b} ({os.path.getsize(b)} bytes)"


def tell(version, **steps):
    print(f"story version: {version}", flush=True)
    failed = False
    for name, step in steps.items():
        try:
            step()
            how = "ok"
        except Exception as e:
            traceback.print_exc()
            how, failed = f"{type(e).__name__}: {e}".replace("\n", " "), True
        print(f"story {name}: {how}", flush=True)
    sys.exit(failed)
