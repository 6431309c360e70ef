"""The record of steps cannot be rewritten: a step is ended once, and nothing is taken away."""

from django.db import migrations

# TRUNCATE stays possible for who owns the table: a test's wipe.
GUARD = """
CREATE FUNCTION extraction_keep_steps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL
       AND (NEW.id, NEW.module, NEW.verb, NEW.actor, NEW.reason, NEW.started_at)
         = (OLD.id, OLD.module, OLD.verb, OLD.actor, OLD.reason, OLD.started_at) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% of % is refused: what was done stays on record', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation',
              HINT = 'A step is ended once; a receipt never changes.';
END $$;
CREATE TRIGGER extraction_step_kept BEFORE UPDATE OR DELETE ON extraction_step
    FOR EACH ROW EXECUTE FUNCTION extraction_keep_steps();
CREATE FUNCTION extraction_keep_receipts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: what was done stays on record', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation',
              HINT = 'A step is ended once; a receipt never changes.';
END $$;
CREATE TRIGGER extraction_receipt_kept BEFORE UPDATE OR DELETE ON extraction_receipt
    FOR EACH ROW EXECUTE FUNCTION extraction_keep_receipts();
"""
UNGUARD = """
DROP TRIGGER extraction_receipt_kept ON extraction_receipt;
DROP FUNCTION extraction_keep_receipts();
DROP TRIGGER extraction_step_kept ON extraction_step;
DROP FUNCTION extraction_keep_steps();
"""


class Migration(migrations.Migration):
    dependencies = [("extraction", "0001_initial")]
    operations = [migrations.RunSQL(GUARD, UNGUARD)]
