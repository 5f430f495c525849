"""The unit as systemd reads it."""

import re
import tempfile
import unittest
from pathlib import Path

from support import BINARY, DEPLOY, output_of, tool

INSTALLED = "/usr/local/bin/stickiness"


class Unit(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        text = (DEPLOY / "systemd/stickiness.service").read_text()
        self.assertEqual(len(re.findall(f"^ExecStart(?:Pre)?={INSTALLED} ", text, re.MULTILINE)), 2)
        # The program is looked for, too, and need not be installed here.
        self.path = Path(folder.name) / "stickiness.service"
        self.path.write_text(text.replace(f"={INSTALLED}", f"={BINARY}"))

    def verify(self):
        return output_of(tool("systemd-analyze"), "verify", "--man=no", self.path)

    def test_systemd_takes_it_without_a_word(self):
        self.assertEqual(self.verify(), "")

    def test_systemd_would_tell_a_mistake(self):
        self.path.write_text(self.path.read_text().replace("ProtectSystem=", "ProtectSytem="))
        self.assertIn("ProtectSytem", self.verify())

    def test_it_can_do_little_harm(self):
        # 0 to 10 in tenths; 1.3 when it was written. What is left is the network, which it is for.
        output_of(tool("systemd-analyze"), "security", "--offline=true", "--no-pager", "--threshold=15", self.path)
