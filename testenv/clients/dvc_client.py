# SPDX-License-Identifier: Apache-2.0
"""DVC: push, pull, ranges out of the remote, and collection of what is no longer referred to."""

import os
import shutil
import subprocess
import sys

import dvc
from dvc.api import DVCFileSystem

import story

os.environ.update(DVC_NO_ANALYTICS="1")


def path(*names):
    return os.path.join(story.folder, *names)


def run(repo, *args):
    done = subprocess.run([sys.executable, "-m", "dvc", *args], cwd=path(repo), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"dvc {' '.join(args)}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def new(repo, remote):
    os.makedirs(path(repo, "data"))
    run(repo, "init", "--no-scm", "--quiet")
    run(repo, "config", "core.site_cache_dir", path(repo, "site"))
    run(repo, "remote", "add", "--default", "sealgate", f"s3://{story.base}{remote}")


def forget(repo, *tracked):
    """What is tracked is in the remote alone."""
    for name in [".dvc/cache", *tracked]:
        target = path(repo, name)
        shutil.rmtree(target) if os.path.isdir(target) else os.remove(target)


def track(repo, names):
    for name, size in names.items():
        story.make(f"{repo}/data/{name}", size)
    shutil.copytree(path(repo, "data"), path(repo + " kept"))
    run(repo, "add", "--quiet", "data")


def same(repo, names):
    for name in names:
        story.same(path(repo, "data", name), path(repo + " kept", name))


NAMES = {"small é.bin": 300_007, "deep/a b+%.bin": 70_000, "empty": 0}


def upload():
    new("one", "store")
    track("one", NAMES)
    assert "4 files pushed" in run("one", "push")  # three and the list of the directory


def download():
    forget("one", "data")
    run("one", "pull")
    same("one", NAMES)


def ranged():
    with open(path("one kept", "small é.bin"), "rb") as f:
        want = f.read()
    forget("one", "data")
    with DVCFileSystem(path("one")).open("data/small é.bin", "rb") as f:
        f.seek(65_530)
        assert f.read(65_551) == want[65_530:131_081]


def in_store():
    return [name for name in run("one", "ls-url", "--recursive", f"s3://{story.base}store").split() if name.startswith("files/md5/")]


def listed():
    assert len(in_store()) == 4, in_store()


def sync():
    new("two", "sync")
    track("two", NAMES)
    assert "4 files pushed" in run("two", "push")
    assert "Everything is up to date" in run("two", "push")
    forget("two", "data")
    assert "fetched" in run("two", "pull")
    assert "Everything is up to date" in run("two", "pull")
    same("two", NAMES)


def delete():
    """DVC deletes what nothing refers to any more, and nothing else."""
    run("one", "pull")
    story.make("one/kept.bin", 70_000)
    run("one", "add", "--quiet", "kept.bin")
    run("one", "push")
    run("one", "remove", "data.dvc")
    run("one", "gc", "--workspace", "--cloud", "--force")
    assert len(in_store()) == 1, in_store()


def multipart():
    new("three", "large")
    track("three", {"large.bin": story.LARGE})
    run("three", "push")
    forget("three", "data")
    run("three", "pull")
    same("three", ["large.bin"])


story.tell(dvc.__version__, upload=upload, download=download, range=ranged, list=listed, sync=sync, delete=delete, multipart=multipart)
