"""Create orders.

Revision ids are counters with leading zeros, so that older and newer can be told apart by comparing them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), primary_key=True),
        sa.Column("item", sa.String(200), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(20), server_default="placed", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("idempotency_key", sa.String(255), unique=True),
        sa.CheckConstraint("quantity BETWEEN 1 AND 1000", name="orders_quantity_range"),
        sa.CheckConstraint("status IN ('placed', 'fulfilled')", name="orders_status_known"),
    )


def downgrade() -> None:
    op.drop_table("orders")
