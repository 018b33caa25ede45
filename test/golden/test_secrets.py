# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens and keys that others may read: threatlistd -n says which, how open, and what closes them."""

import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import pytest

from feedlib import BUILD, environment

AWS = "[sink bus]\ntype = eventbridge\nregion = eu-west-1\n"


@pytest.fixture
def place():
    """A directory that everybody may enter: pytest's own is closed."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="threatlistd-secrets-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def make(path, mode):
    path.write_text("secret\n")
    path.chmod(mode)
    return path


def check(place, text, **env):
    """The warnings of threatlistd -n, which takes the config."""
    (place / "t.conf").write_text(text)
    done = subprocess.run([f"{BUILD}/threatlistd", "-c", place / "t.conf", "-n"], capture_output=True, text=True,
                          env=environment(**{"HOME": str(place), **env}), timeout=20)
    assert done.returncode == 0 and done.stdout == "", done
    return done.stderr.splitlines()


def sink(*lines, name="one"):
    return f"[sink {name}]\ntype = http\nurl = https://collector.example.com/\n" + "".join(f"{line}\n" for line in lines)


def user_is_known():
    try:
        return pwd.getpwnam("threatlistd").pw_uid != os.getuid()
    except KeyError:
        return False


@pytest.mark.parametrize("key", ["token_file", "header_file", "key_file"])
@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o666])
def test_open_file_of_a_sink(place, key, mode):
    path = make(place / "secret", mode)
    more = [f"cert_file = {place}/cert"] if key == "key_file" else []
    (line,) = check(place, sink(f"{key} = {path}", *more))
    fix = f"chown root:threatlistd {path}; chmod 0640 {path}" if user_is_known() else f"chmod 0600 {path}"
    assert line == (f'threatlistd: warning: secret open to others path={path} use="{key} of sink one" mode={mode:04o} '
                    f'run="{fix}"')


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o440, 0o400])
def test_closed_file_is_fine(place, mode):
    assert check(place, sink(f"token_file = {make(place / 'secret', mode)}")) == []


def test_what_the_command_says_closes_it(place):
    path = make(place / "secret", 0o644)
    (line,) = check(place, sink(f"token_file = {path}"))
    if os.getuid() == 0 or not user_is_known():
        subprocess.run(line.split('run="')[1].rstrip('"'), shell=True, check=True)
        assert check(place, sink(f"token_file = {path}")) == []


def test_directory_that_is_closed_protects_what_is_in_it(place):
    inner = place / "inner"
    inner.mkdir()
    path = make(inner / "secret", 0o644)
    for mode, n in ((0o700, 0), (0o750, 0), (0o755, 1), (0o711, 1)):
        inner.chmod(mode)
        assert len(check(place, sink(f"token_file = {path}"))) == n, oct(mode)
    # a link to it from an open place leads to where it is
    inner.chmod(0o700)
    (place / "link").symlink_to(path)
    assert check(place, sink(f"token_file = {place}/link")) == []


def test_each_file_once(place):
    path = make(place / "secret", 0o644)
    (place / "link").symlink_to(path)
    assert len(check(place, sink(f"token_file = {path}") + sink(f"token_file = {place}/link", name="two"))) == 1
    assert len(check(place, sink(f"token_file = {path}", f"header_file = {make(place / 'other', 0o644)}"))) == 2


def test_missing_file_and_what_is_none_are_their_readers_concern(place):
    os.mkfifo(place / "fifo")
    (place / "fifo").chmod(0o666)
    for name in ("missing", "fifo", "."):
        assert check(place, sink(f"token_file = {place}/{name}")) == []


def test_credential_of_a_service(place):
    make(place / "sink-token", 0o644)
    (line,) = check(place, sink("token_credential = sink-token"), CREDENTIALS_DIRECTORY=str(place))
    assert 'use="token_credential of sink one" mode=0644' in line
    assert check(place, sink("token_credential = sink-token")) == []


def test_files_of_aws(place):
    path = make(place / "keys", 0o644)
    token = make(place / "token", 0o604)
    env = {"AWS_SHARED_CREDENTIALS_FILE": str(path), "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token)}
    first, second = check(place, AWS, **env)
    assert f'path={path} use="AWS_SHARED_CREDENTIALS_FILE" mode=0644' in first
    assert f'path={token} use="AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" mode=0604' in second
    # nothing calls AWS: they are not read
    assert check(place, sink(), **env) == []
    (place / ".aws").mkdir()
    make(place / ".aws/credentials", 0o644)
    (line,) = check(place, AWS)
    assert f'path={place}/.aws/credentials use="AWS credentials" mode=0644' in line
