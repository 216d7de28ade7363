# SPDX-License-Identifier: Apache-2.0
"""What bash, zsh and fish complete, asked of the shells themselves."""
import os
import shutil
import subprocess

import pytest

from harness.daemon import WEIR
from harness.wait import SLOWNESS

pytestmark = pytest.mark.outside

COMPLETED = [
    ("weir bl", {"block"}),
    ("weir block im", {"import"}),
    ("weir block add --tt", {"--ttl"}),
    ("weir service ba", {"backend"}),
    ("weir service backend dr", {"drain"}),
    ("weir service backend set --we", {"--weight"}),
    ("weir service add --proto u", {"udp"}),
    ("weir completion ", {"bash", "zsh", "fish"}),
    ("weir interface attach l", {"lo"}),
    ("weir explain --direction e", {"egress"}),
    ("weir --json rollb", {"rollback"}),
]


@pytest.fixture
def script(tmp_path):
    def make(shell):
        if not shutil.which(shell):
            pytest.skip(f"{shell} is not installed")
        path = tmp_path / f"_weir.{shell}"
        path.write_text(subprocess.check_output([WEIR, "completion", shell], text=True))
        return path
    return make


@pytest.mark.parametrize("line, wanted", COMPLETED + [("weir apply some", {"some-file.yaml"})])
def test_bash_completes(script, tmp_path, line, wanted):
    path = script("bash")
    (tmp_path / "some-file.yaml").touch()
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    done = subprocess.run(
        ["bash", "-c", f"source {path}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
                       "__weir; printf '%s\\n' \"${COMPREPLY[@]}\""],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.stderr == ""
    assert set(done.stdout.split()) == wanted


@pytest.mark.parametrize("line, wanted", COMPLETED)
def test_fish_completes(script, tmp_path, line, wanted):
    path = script("fish")
    done = subprocess.run(["fish", "-c", f"source {path}; complete -C '{line}'"], text=True,
                          cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=dict(os.environ, HOME=str(tmp_path)))
    assert done.stderr == ""
    assert {row.split("\t")[0] for row in done.stdout.splitlines()} == wanted


# A terminal of zsh's own: the line is typed, completed, and run; `weir` says what it was given.
ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; autoload -Uz compinit; compinit -D -u; source SCRIPT'
zpty -w shell 'weir() { print "GO""T[$*]"; }'
zpty -w shell 'zstyle ":completion:*" insert-tab false; print REA""DY'
zpty -r shell seen '*READY*'
zpty -n -w shell $'LINE\\t\\n'
zpty -r shell seen '*GOT\\[*\\]*'
print -r -- ${${seen##*GOT\\[}%%\\]*}
"""


@pytest.mark.parametrize("line, whole", [
    ("weir bl", "block"), ("weir block im", "block import"),
    ("weir service ba", "service backend"), ("weir service backend dr", "service backend drain"),
    ("weir service add --proto=u", "service add --proto=udp"),
    ("weir apply some", "apply some-file.yaml"), ("weir completion ba", "completion bash"),
    ("weir interface attach l", "interface attach lo"),
    ("weir explain --direction=e", "explain --direction=egress")])
def test_zsh_completes(script, tmp_path, line, whole):
    text = ZSH.replace("SCRIPT", str(script("zsh"))).replace("LINE", line)
    (tmp_path / "some-file.yaml").touch()
    done = subprocess.run(["zsh", "-f", "-c", text], cwd=tmp_path, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60 * SLOWNESS)
    assert done.stderr == ""
    assert done.stdout.strip() == whole
