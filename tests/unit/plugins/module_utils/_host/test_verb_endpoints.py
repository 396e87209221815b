# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `endpoints`: what comes as JSON is asked, what goes back is JSON."""

import json
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host import program
from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.engine import Settings
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.endpoint import listeners


class Endpoints(unittest.TestCase):
    def test_a_request(self):
        """Two endpoints, of which one is there; the settings as JSON carries them."""
        with listeners.listener(listeners.speaking()) as port:
            probes = [[listeners.ADDRESS, port, "", ""], ["nowhere.invalid", 443, "nowhere.invalid", ""]]
            settings = Settings(connect_seconds=3, handshake_seconds=3, alpn=("h2",))._asdict()
            args = json.loads(json.dumps({"probes": probes, "settings": settings}))
            answer = program.answer({"verb": "endpoints", "nonce": "", "transaction": None, "actor": "tester", "args": args, "program": ""})
        self.assertTrue(answer["ok"], answer)
        rows = sorted(json.loads(json.dumps(answer["result"]["endpoints"])), key=lambda row: row["index"])
        self.assertEqual([row["state"] for row in rows], ["seen", "unreachable"])
        self.assertEqual(sorted(answer["result"]["certificates"]), sorted(listeners.digests()))
        self.assertEqual(answer["result"]["left_over"], 0)
