-- Copyright (c) The certops.fleet developers
-- GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later

-- Rights on an inventory of certops.fleet, for the role that owns its tables; again after each new release: psql -d DATABASE -f postgresql_roles.sql
-- Give the roles to those who log in: GRANT certops_writer TO awx;
--   certops_writer   discovery, rotation and everything else that records; it cannot change or delete events, checkpoints and certificates, nor any table
--   certops_reader   questions and reports
--   certops_auditor  the audit log alone
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['certops_writer', 'certops_reader', 'certops_auditor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA public TO certops_writer, certops_reader, certops_auditor;

GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO certops_writer;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO certops_writer;
-- These are written once and never changed.
REVOKE UPDATE ON events, checkpoints, certificates, certificate_names, bundle_members FROM certops_writer;
-- It proves that it can write by an UPDATE that changes nothing.
REVOKE INSERT ON alembic_version FROM certops_writer;

GRANT SELECT ON ALL TABLES IN SCHEMA public TO certops_reader;

GRANT SELECT ON events, checkpoints, audit_targets, alembic_version TO certops_auditor;
