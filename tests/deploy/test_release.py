"""The archive of a release, of a binary that is built already."""

import os
import re
import shutil
import tarfile
import tempfile
import unittest
from pathlib import Path

from support import BINARY, ROOT, output_of

SCRIPT = ROOT / "scripts" / "release.sh"


class Release(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.target = Path(folder.name)

    def pack(self, binary=BINARY, **environment):
        options = {"STICKINESS_RELEASE_UNCOMMITTED": "1", "CARGO_TARGET_DIR": str(self.target)} | environment
        said = output_of(SCRIPT, "--with", binary, env=os.environ | options)
        return next(self.target.glob("dist/*.tar.gz")), said

    def test_all_that_users_need_is_in_it_and_equal_commits_give_equal_bytes(self):
        archive, said = self.pack()
        first = archive.read_bytes()
        digest = (archive.parent / f"{archive.name}.sha256").read_text().split()[0]
        self.assertIn(digest, said)
        with tarfile.open(archive) as packed:
            top = archive.name.removesuffix(".tar.gz")
            names = {name.removeprefix(f"{top}/") for name in packed.getnames()}
            third_parties = packed.extractfile(f"{top}/THIRD-PARTY.txt").read().decode()
            owners = {(member.uid, member.gid) for member in packed.getmembers()}
        wanted = {"bin/stickiness", "LICENSE", "README.md", "CHANGELOG.md", "docs/operating.md", "deploy/systemd/stickiness.service"}
        wanted |= {"share/man/stickiness.1", "share/man/stickiness-replay.1", "share/completions/stickiness.bash", "config/examples/own-topic.toml"}
        self.assertEqual(wanted - names, set())
        self.assertEqual(owners, {(0, 0)})
        # C libraries that are linked in, too.
        for name in ("openssl-src", "rdkafka-sys", "zstd-sys", "serde"):
            self.assertRegex(third_parties, re.compile(f"^{name} [0-9]", re.MULTILINE))
        archive.unlink()
        self.assertEqual(self.pack()[0].read_bytes(), first)

    def test_what_does_not_fit_is_refused(self):
        other = self.target / "other"
        other.write_text("#!/bin/sh\necho stickiness 99.0.0\n")
        other.chmod(0o755)
        with self.assertRaisesRegex(AssertionError, "the binary says \"stickiness 99.0.0\", Cargo.toml "):
            self.pack(other)
        with self.assertRaisesRegex(AssertionError, "usage"):
            self.pack(self.target / "nothing")

    def test_what_is_not_committed_is_not_released(self):
        copy = self.target / "copy"
        output_of("git", "clone", "--quiet", ROOT, copy)
        # As it is now, which may not be committed either.
        for name in ("scripts/release.sh", "scripts/third-party.py", "CHANGELOG.md"):
            shutil.copy(ROOT / name, copy / name)
        (copy / "README.md").write_text("another\n")
        with self.assertRaisesRegex(AssertionError, "changes that are not committed"):
            output_of(copy / "scripts" / "release.sh", "--with", BINARY)
