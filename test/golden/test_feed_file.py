# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists in files, also while someone writes them."""

import os
import threading
import time

import pytest

from feedlib import feed, validators


@pytest.fixture
def ask(tmp_path):
    path = tmp_path / "list.txt"

    def run(*options, **keys):
        lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
        (said,) = feed(tmp_path, f"[source list]\ntype = file\nlocation = {path}\n{lines}", *options)
        return said
    run.path = path
    return run


def write(path, text):
    """As if it had been there for long."""
    path.write_text(text)
    os.utime(path, (1_700_000_000, 1_700_000_000))


def test_unchanged_file_is_not_read(ask):
    write(ask.path, "192.0.2.1\n192.0.2.2\n")
    first = ask()
    assert (first["outcome"], first["entries"]) == ("new", 2)
    said = ask(*validators(first))
    assert (said["outcome"], said["bytes"], said["etag"]) == ("same", 0, first["etag"])


def test_changed_file_is_read(ask):
    write(ask.path, "192.0.2.1\n192.0.2.2\n")
    first = ask()
    write(ask.path, "192.0.2.2\n192.0.2.1 # the same in other words\n")
    said = ask(*validators(first))
    assert (said["outcome"], said["entries"]) == ("same", 2) and said["etag"] != first["etag"]
    write(ask.path, "192.0.2.2\n")
    assert ask(*validators(first))["outcome"] == "new"


def test_domain_names_come_beside_the_list(ask):
    write(ask.path, "192.0.2.1\nexample.com\n*.Example.org\n192.0.2.2\n")
    first = ask()
    assert (first["outcome"], first["entries"], first["rejected"]) == ("new", 2, 2)
    assert first["domains"] == ["*.example.org", "example.com"]
    write(ask.path, "192.0.2.1\n192.0.2.2\nexample.net\n")
    again = ask(*validators(first))
    assert (again["outcome"], again["domains"]) == ("same", ["example.net"])
    write(ask.path, "192.0.2.1\n192.0.2.2\n")
    assert ask(*validators(first))["domains"] == []
    # whoever configures a list of addresses and gets none is told
    write(ask.path, "example.com\nexample.org\n")
    said = ask()
    assert said["outcome"] == "failed" and "nothing acceptable" in said["reason"] and "domains" not in said


def test_other_role_or_action_is_another_list(ask):
    write(ask.path, "192.0.2.1\n")
    hashes = {ask(**keys)["hash"] for keys in ({}, {"role": "trusted"}, {"action": "watch"})}
    assert len(hashes) == 3


def test_file_is_waited_for_until_its_writer_is_done(ask):
    """Written in three pieces, the first already there: all of it or nothing, never a part."""
    ask.path.write_text("192.0.2.1\n" * 1000)

    def write_on():
        with open(ask.path, "a") as out:
            for _ in range(2):
                time.sleep(0.3)
                out.write("192.0.2.2\n" * 1000)
                out.flush()

    writer = threading.Thread(target=write_on)
    writer.start()
    said = ask()
    writer.join()
    assert (said["outcome"], said["lines"]) == ("new", 3000)


def test_file_that_is_never_done_is_no_list(ask):
    ask.path.write_text("192.0.2.1\n")
    done = threading.Event()

    def write_on():
        with open(ask.path, "a") as out:
            while not done.wait(0.02):
                out.write("192.0.2.2\n")
                out.flush()

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        said = ask()
    finally:
        done.set()
        writer.join()
    assert said["outcome"] == "failed" and "is being written" in said["reason"]


def test_time_in_the_future_does_not_matter(ask):
    ask.path.write_text("192.0.2.1\n")
    os.utime(ask.path, (2_100_000_000, 2_100_000_000))
    assert ask()["outcome"] == "new"


def test_link_to_a_file_is_followed(ask, tmp_path):
    write(tmp_path / "real.txt", "192.0.2.1\n")
    ask.path.symlink_to(tmp_path / "real.txt")
    assert ask()["outcome"] == "new"


def test_what_is_no_file_is_said(ask, tmp_path):
    assert "cannot be opened: No such file" in ask()["reason"]
    write(ask.path, "192.0.2.1\n")
    ask.path.chmod(0)
    assert "cannot be opened by the agent's user: Permission denied" in ask()["reason"]
    ask.path.unlink()
    ask.path.mkdir()
    assert "is not a regular file" in ask()["reason"]
    ask.path.rmdir()
    os.mkfifo(ask.path)
    assert "is not a regular file" in ask()["reason"]
    ask.path.unlink()
    ask.path.symlink_to("/dev/zero")
    assert "is not a regular file" in ask()["reason"]


def test_size_is_capped(ask):
    write(ask.path, "#" * 1025)
    assert "is 1025 bytes, at most 1024 are allowed" in ask(max_bytes="1K")["reason"]


def test_empty_file_is_no_list(ask):
    write(ask.path, "")
    said = ask()
    assert (said["outcome"], said["reason"]) == ("failed", "is empty")
