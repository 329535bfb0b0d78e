"""objects are locked and read in one step"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COPIES_LOCK = 2_210_004
LOCK_WAIT_SECONDS = 5  # whoever holds them longer is not alive


def upgrade() -> None:
    # Two statements, so that what is read is what was committed before the locks were had. The locks are the session's; they are taken in
    # one order, so that two sessions never wait for each other; objects that are not there yet have no row to lock. A session keeps the plan
    # of a function, and in a new database there are no statistics: module and audience are hidden from the planner, so that nothing but
    # the primary key, which begins with the id, can be used to find an object.
    op.execute(
        f"""
        create function take_copies(keys json)
        returns table (n bigint, packed bytea, addressee varchar, remote_url varchar, last_updated timestamptz, is_stale boolean)
        language plpgsql volatile
        set lock_timeout = '{LOCK_WAIT_SECONDS}s'
        as $$
        begin
            perform pg_advisory_lock_shared({COPIES_LOCK});
            perform pg_advisory_lock(hash) from (
                select distinct hashtextextended(value::text, 0) as hash from json_array_elements(keys) order by 1
            ) locked;
            return query
                select k.n, c.packed, c.addressee, c.remote_url, c.last_updated, c.stale_at is not null
                from (
                    select value->>0 as module, value->>1 as country_code, value->>2 as party_id, value->>3 as key,
                           value->>4 as variant, value->>5 as audience, e.n
                    from json_array_elements(keys) with ordinality e(value, n)
                ) k
                join copy c on c.module || '' = k.module and c.country_code = k.country_code and c.party_id = k.party_id
                    and c.key = k.key and c.variant = k.variant and c.audience || '' = k.audience;
        end
        $$
        """
    )
