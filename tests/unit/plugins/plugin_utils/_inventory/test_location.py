# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where an inventory may lie."""

from __future__ import annotations

import os
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.location import file_system, locate
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import InventoryError

LOCAL = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
MOUNTS = (
    LOCAL
    + "40 27 0:40 / /net rw - autofs systemd-1 rw\n"
    + "41 40 0:41 / /net/home rw shared:1 master:2 - nfs4 server:/home rw\n"
    + "42 27 0:42 / /with\\040blank rw - cifs //server/share rw\n"
    + "43 27 0:43 / /run/user rw - tmpfs tmpfs rw\n"
    + "44 41 254:1 / /net/home/local rw - xfs /dev/vdb rw\n"
    + "broken line\n"
)
HOME = {"HOME": "/home/op"}


@pytest.mark.parametrize(
    ("url", "environ", "path"),
    [
        (None, HOME, "/home/op/.local/share/certops/inventory.db"),
        ("", HOME, "/home/op/.local/share/certops/inventory.db"),
        (None, {**HOME, "XDG_DATA_HOME": "/data"}, "/data/certops/inventory.db"),
        (None, {**HOME, "XDG_DATA_HOME": "relative"}, "/home/op/.local/share/certops/inventory.db"),
        ("sqlite:////srv/inventory.db", HOME, "/srv/inventory.db"),
        ("sqlite:////srv/my%20fleet.db", HOME, "/srv/my fleet.db"),
        ("/srv/x/../inventory.db", HOME, "/srv/inventory.db"),
        ("~/fleet.db", HOME, "/home/op/fleet.db"),
        ("sqlite:///~/fleet.db", HOME, "/home/op/fleet.db"),
        ("/net/home/local/fleet.db", HOME, "/net/home/local/fleet.db"),
        ("/run/user/fleet.db", HOME, "/run/user/fleet.db"),
        ("/srv/fleet.db", {**HOME, "AWX_HOST": "https://awx.example"}, "/srv/fleet.db"),
    ],
)
def test_accepted(url: str | None, environ: t.Mapping[str, str], path: str) -> None:
    """URLs, absolute paths and the default below the user's data folder."""
    assert locate(url, environ=environ, mounts=MOUNTS).path == path


@pytest.mark.parametrize(
    ("url", "environ", "message"),
    [
        ("mysql://user:secret@db/fleet", HOME, "begins with 'mysql:': accepted are"),
        ("sqlite://", HOME, "begins with 'sqlite:': accepted are"),
        ("sqlite:///relative.db", HOME, "is 'sqlite:///relative.db': accepted are"),
        ("sqlite:////srv/a.db?mode=ro", HOME, "without a query"),
        ("relative.db", HOME, "is 'relative.db': accepted are"),
        ("/srv/", HOME, "is '/srv/': accepted are"),
        ("/srv/\x00.db", HOME, "accepted are"),
        ("/net/home/fleet.db", HOME, "lies on a network file system (nfs4)"),
        ("/with blank/fleet.db", HOME, "lies on a network file system (cifs)"),
        (None, {"HOME": "/net/home/op"}, "lies on a network file system (nfs4)"),
        (None, {"HOME": "/run/user/op"}, "would lie in a file system that is not kept (tmpfs) and be forgotten: set certops_inventory"),
        (None, {**HOME, "AWX_HOST": "https://awx.example"}, "would lie in an AWX job and be forgotten"),
    ],
)
def test_refused(url: str | None, environ: t.Mapping[str, str], message: str) -> None:
    """One sentence, and never the password of a URL."""
    with pytest.raises(InventoryError) as error:
        locate(url, environ=environ, mounts=MOUNTS)
    assert message in str(error.value)
    assert "secret" not in str(error.value)


def test_the_writable_layer_of_a_container_is_no_place_for_the_default() -> None:
    """Unless it is asked for by name."""
    mounts = "1 0 0:1 / / rw - overlay overlay rw\n"
    with pytest.raises(InventoryError, match=r"not kept \(overlay\)"):
        locate(None, environ=HOME, mounts=mounts)
    assert locate("/srv/fleet.db", environ=HOME, mounts=mounts).path == "/srv/fleet.db"


def test_a_link_is_followed_to_its_file_system(tmp_path: os.PathLike[str]) -> None:
    """A folder that only looks local is judged by where it leads."""
    link = os.path.join(tmp_path, "link")
    os.symlink("/net/home", link)
    assert file_system(os.path.join(link, "fleet.db"), mounts=MOUNTS) == "nfs4"


def test_without_mountinfo_nothing_is_known() -> None:
    """Then nothing is refused."""
    assert file_system("/srv/fleet.db", mounts="") is None
    assert locate("/srv/fleet.db", environ=HOME, mounts="").path == "/srv/fleet.db"


def test_this_machine() -> None:
    """The kernel's own table can be read."""
    assert locate("/fleet.db", environ=HOME).url == "sqlite:////fleet.db"
