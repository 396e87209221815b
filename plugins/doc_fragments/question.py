# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  kind:
    description:
      - What is asked for.
      - V(certificates) are all certificates that were seen or issued, each once, with its C(places) and the fields of
        M(community.crypto.x509_certificate_info).
      - V(places) are the files in which certificates were seen, one document for each certificate in each file, and for each alias of it in a store.
        Stores that could not be opened are places, too, with the C(state) C(locked), a C(reason) and no certificate.
      - V(endpoints) are places that were seen by asking a listener, see M(certops.fleet.endpoint_scan_info).
      - V(crls) and V(requests) are the revocation lists and the certificate requests that lie in files, with what they say of themselves.
      - V(keys) are private keys, never their content. C(readers), C(readers_count) and C(everyone) say who can read the file besides its owner and root,
        C(shared_with) and C(shared_count) where else the same key lies, C(certificates) which certificates are of it, and C(certified) whether one of them
        is C(here) on the host, C(elsewhere), C(nowhere), or C(unknown) because the key is encrypted.
      - V(trust_stores) are stores of trust anchors with what was C(added) and C(removed) against what the distribution's package shipped. Both are null
        where that cannot be told, with a C(reason).
      - V(renewers) are certificates that certbot, certmonger, acme.sh, dehydrated, lego or caddy keep on a host, with the C(paths) of their files, and the
        lines of C(cron) and the C(timer) units of systemd that name a renewer or openssl. The C(renewed_by) of places and certificates follows from them, and
        from the issuances. It is V(certops) for what was issued here, and null where nobody is known.
      - V(bundles) are files of trust anchors, each content once.
      - A certificate that is gone from a place is C(replaced_by) another one that came to the same path, or that was got for the same declaration afterwards,
        which C(replaces) it. It C(moved_to) the path of the same host where it appeared at the same time, which it C(moved_from) its own.
      - V(coverage) tells of each namespace how many of C(hosts_known) count as C(hosts_complete), were scanned without root (C(hosts_unprivileged)) or gave
        nothing (C(hosts_silent)), and of C(hosts_lacking) why each does not count. Of C(addresses_seen) serving certificates C(addresses_without_host) are
        those that no host that is known has.
      - V(assignments) say who answers for what, see M(certops.fleet.ownership), those too that were replaced or taken back.
      - V(ownership_findings) are hosts and certificates without an owner (C(finding=no_owner)), attributes that equally specific rules disagree about
        (C(conflict)), and certificates that lie in places of several owners (C(several_owners)).
      - V(mismatches) are places where what is declared, issued, found and served does not go together. C(served_not_file) is a service that shows another
        certificate than its files hold, C(served_unknown) a listener whose certificate lies in no file that was seen. C(declared_absent) was put in place here
        and is not there any more, C(issued_nowhere) was issued, is valid and was never found. C(found_undeclared) is in use or installed and was not got here.
        C(imported_unseen) is valid, listed by the export of another program, and was not found here, C(seen_unimported) is here and in no export.
      - V(imported) are certificates that other programs list, see M(certops.fleet.inventory_import), with their C(origin), and C(seen_as) with the SHA-256 of
        what was found of them. The C(known_to) of certificates are these origins.
      - The C(management) of certificates and places is V(unmanaged), V(monitored) when it has an owner, V(enrolled) when it was got here, or V(provisioned)
        when it was put in place here, too.
      - Hosts, services, endpoints and certificates have their C(owner). They and places have C(ownership), that is each attribute, all C(candidates) for it
        with the one that counts first, and the attributes that are in C(conflicts). The C(owner) of a place is that of the file.
      - V(scans) tell what each scan was allowed to see; a host that gave nothing is a scan with a C(reason).
      - V(runs) tell of each run of a job how many of C(hosts_asked) were scanned completely, with root (C(hosts_complete)), otherwise (C(hosts_incomplete)),
        gave nothing (C(hosts_silent)) or were not looked at (C(hosts_missing)). A run is C(complete) when all were scanned completely, and the
        C(last_complete_run) of its job is told with each. The C(job) is the job template of AWX or the name of the playbook, with the limit if there is one.
      - V(events) are the lines of the audit log.
    type: str
    choices:
      - hosts
      - coverage
      - certificates
      - places
      - endpoints
      - bundles
      - keys
      - trust_stores
      - crls
      - requests
      - services
      - renewers
      - assignments
      - ownership_findings
      - mismatches
      - imported
      - scans
      - runs
      - issuances
      - issuers
      - events
    default: certificates
  select:
    description:
      - A U(https://jmespath.org) expression that is applied to the list of documents.
      - A result that is no list becomes a list with one element, and no result an empty list.
    type: str
  namespace:
    description:
      - Only documents of this namespace, which is the C(certops_environment) that hosts were recorded with.
      - Certificates and bundles have only their places there. What belongs to no namespace, such as an issuer, is in each.
    type: str
  as_of:
    description:
      - The time that the answer is about, instead of now. What came later is not in it, and what went later is as it was then.
      - A date such as V(2026-11-23) is the end of that day in UTC. A time is V(2026-11-23T09:43:04Z), and one without a zone is in UTC. V(-30d) is thirty days
        ago, and V(w), V(h), V(m) and V(s) are weeks, hours, minutes and seconds.
      - C(gone_at), C(days_remaining) and C(status) are those of that time, and so is who answers for something.
      - Attributes that were overwritten since are as they were seen later. C(last_seen) is null where that is so.
    type: str
  sort:
    description:
      - The field by which documents are ordered, before O(select) is applied. Without it they have an order of their own that does not change.
      - V(not_after) is for O(kind=certificates) alone. Certificates whose end is not known come last.
    type: str
    choices: [not_after]
  limit:
    description:
      - At most so many elements.
      - Where O(select) is nothing but a condition that the database understands, alone or with a dictionary made of each document behind it, no more
        than these are read.
    type: int
  after:
    description:
      - Begin behind an earlier page. It is the C(next) of the earlier answer to the same question, which is told with O(limit).
      - Of what is added or removed between two pages nothing moves, where the database makes the pages. Otherwise they are parts of an answer that is made
        anew for each.
    type: str
  count:
    description:
      - Tell how many elements there are instead of the elements. The answer is a list with this number.
      - The database counts under the same condition under which O(limit) reads no more than it has to.
    type: bool
    default: false
"""
