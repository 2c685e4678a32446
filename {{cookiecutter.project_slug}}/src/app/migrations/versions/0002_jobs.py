"""Create the queue of jobs (procrastinate's schema, frozen as SQL) and the effects of those that fulfil orders."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# The library brings no way back. Its tables take their triggers and indexes along.
DROP_PROCRASTINATE = """
DROP TABLE procrastinate_periodic_defers, procrastinate_events, procrastinate_jobs, procrastinate_workers CASCADE;
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN SELECT oid FROM pg_proc
        WHERE proname LIKE 'procrastinate\\_%' AND pronamespace = current_schema()::regnamespace
    LOOP
        EXECUTE 'DROP FUNCTION ' || routine || ' CASCADE';
    END LOOP;
END;
$$;
DROP TYPE procrastinate_job_to_defer_v1, procrastinate_job_status, procrastinate_job_event_type;
"""


def upgrade() -> None:
    _run_script(Path(__file__).with_name("0002_procrastinate.sql").read_text())
    op.create_table(
        "fulfilments",
        sa.Column("order_id", sa.Uuid(), sa.ForeignKey("orders.id"), primary_key=True),
        sa.Column("fulfilled_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    op.create_index("orders_placed", "orders", ["created_at"], postgresql_where=sa.text("status = 'placed'"))


def downgrade() -> None:
    op.drop_index("orders_placed", "orders")
    op.drop_table("fulfilments")
    _run_script(DROP_PROCRASTINATE)


def _run_script(script: str) -> None:
    """Run several statements as they stand: with parameters, even none, `%` and `:` would have a meaning."""
    op.get_bind().exec_driver_sql(script, execution_options={"no_parameters": True})
