"""The chain is laid by the database: at COMMIT, under the lock of the namespace's head, by a function that only the owner may change."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION core_audit_append() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    head public.core_audithead%ROWTYPE;
    next_sequence bigint;
    next_hash bytea;
BEGIN
    INSERT INTO public.core_audithead (namespace_id, sequence, hash)
        VALUES (NEW.namespace_id, 0, decode(repeat('00', 32), 'hex')) ON CONFLICT DO NOTHING;
    SELECT * INTO head FROM public.core_audithead WHERE namespace_id = NEW.namespace_id FOR UPDATE;
    next_sequence := head.sequence + 1;
    next_hash := sha256(head.hash || int8send(next_sequence) || NEW.body);
    INSERT INTO public.core_auditlink (event_id, namespace_id, sequence, previous, hash)
        VALUES (NEW.id, NEW.namespace_id, next_sequence, head.hash, next_hash);
    UPDATE public.core_audithead SET sequence = next_sequence, hash = next_hash WHERE namespace_id = NEW.namespace_id;
    RETURN NULL;
END $$;

-- Deferred: the head's lock is taken last, so that writers of one namespace wait for each other's COMMIT and for nothing else.
CREATE CONSTRAINT TRIGGER core_audit_append AFTER INSERT ON core_auditevent
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION core_audit_append();

CREATE FUNCTION core_refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER core_auditevent_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON core_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_rewrite();
CREATE TRIGGER core_auditlink_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON core_auditlink
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_rewrite();
CREATE TRIGGER core_audithead_keep BEFORE DELETE OR TRUNCATE ON core_audithead
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_rewrite();
CREATE TRIGGER core_idempotencykey_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON core_idempotencykey
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_rewrite();
"""

BACKWARD = """
DROP TRIGGER core_idempotencykey_append_only ON core_idempotencykey;
DROP TRIGGER core_audithead_keep ON core_audithead;
DROP TRIGGER core_auditlink_append_only ON core_auditlink;
DROP TRIGGER core_auditevent_append_only ON core_auditevent;
DROP FUNCTION core_refuse_rewrite();
DROP TRIGGER core_audit_append ON core_auditevent;
DROP FUNCTION core_audit_append();
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
