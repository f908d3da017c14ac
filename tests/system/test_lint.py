# SPDX-License-Identifier: Apache-2.0
"""A file that nothing checks is refused by tools/lint: one line, status 2, and no C formatter is let loose on it."""
import os
import subprocess

import newel_machine as newel
import pytest

LINT = os.path.join(newel.TOP, "tools", "lint")


@pytest.mark.parametrize("file", ("tests/system/test_lint.py", "tools/run"))
def test_refused(file):
    done = subprocess.run([LINT, "src/lib/bits.h", file], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"lint: {file}: not done: only .c and .h files are checked\n")
