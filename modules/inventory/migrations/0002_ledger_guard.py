"""The ledger cannot be rewritten, and hot stock rows are updated in place."""

from django.db import migrations

# Per statement: it also refuses an UPDATE that would match no row, and costs inserts nothing.
# TRUNCATE stays possible for who owns the table: a test's wipe, an extraction that starts over.
GUARD = """
CREATE FUNCTION inventory_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'inventory_movement is append-only: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation',
              HINT = 'Enter a movement that corrects the wrong one.';
END $$;
CREATE TRIGGER inventory_movement_append_only
    BEFORE UPDATE OR DELETE ON inventory_movement
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_refuse_change();
"""
UNGUARD = """
DROP TRIGGER inventory_movement_append_only ON inventory_movement;
DROP FUNCTION inventory_refuse_change();
"""
# A hot SKU's row is updated thousands of times: room on the page keeps those updates off the
# indexes (HOT), and vacuum comes early.
ROOM = """
ALTER TABLE inventory_stock SET (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
ALTER TABLE inventory_notice SET (
    autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000);
"""
NO_ROOM = """
ALTER TABLE inventory_stock RESET (
    fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE inventory_notice RESET (
    autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
"""


class Migration(migrations.Migration):
    dependencies = [("inventory", "0001_initial")]
    operations = [
        migrations.RunSQL(GUARD, UNGUARD),
        migrations.RunSQL(ROOM, NO_ROOM),
    ]
