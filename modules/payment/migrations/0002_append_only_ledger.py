"""The database itself refuses to change or remove a line of the ledger."""

from django.db import migrations

FORWARDS = """
CREATE FUNCTION payment_ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the payment ledger is append-only: % is refused', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER payment_ledger_append_only BEFORE UPDATE OR DELETE ON payment_ledgerentry
    FOR EACH STATEMENT EXECUTE FUNCTION payment_ledger_is_append_only();
"""
BACKWARDS = """
DROP TRIGGER payment_ledger_append_only ON payment_ledgerentry;
DROP FUNCTION payment_ledger_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("payment", "0001_initial")]
    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
