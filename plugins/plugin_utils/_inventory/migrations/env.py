# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What alembic runs: the migrations, on the connection and in the transaction that it was given."""

from __future__ import annotations

try:
    from alembic import context
except ImportError:
    pass
else:
    context.configure(connection=context.config.attributes["connection"])
    context.run_migrations()
