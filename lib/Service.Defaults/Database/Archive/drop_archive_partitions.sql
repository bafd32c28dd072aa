-- Removes what archive_partitions.sql adds, after the archive tables.
drop function may_archive;
drop function add_archive_partitions;
drop function add_archive_partition;
drop function guard_archive;
drop function refuse_archive_change;
drop function month_of_order;
drop function first_order_id;
