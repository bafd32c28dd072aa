-- The rights of the two roles that do not own the database: {runtime}, with which the service runs, and {reader}, with
-- which operators and auditors read. Neither can change the schema, a trigger or a right. The owner runs this file
-- after each migration, in one transaction with runtime_rights.sql, which has what the service may write.

-- PostgreSQL finds a temporary table before the one that a function of the owner means.
revoke temporary on database {database} from public;
revoke create on schema {schema} from public;
-- Some functions run with the rights of the owner.
revoke execute on all functions in schema {schema} from public;

-- What an earlier version has granted and this one does not, ends.
revoke all on all tables in schema {schema} from {runtime}, {reader};
revoke all on all sequences in schema {schema} from {runtime}, {reader};
revoke all on all functions in schema {schema} from {runtime}, {reader};

grant connect on database {database} to {runtime}, {reader};
grant usage on schema {schema} to {runtime}, {reader};
grant select on all tables in schema {schema} to {runtime}, {reader};
grant execute on all functions in schema {schema} to {runtime};
-- The archive gets a table for each month.
alter default privileges in schema {schema} grant select on tables to {runtime}, {reader};
-- Whoever knows the keys can forge page tokens.
revoke select on data_protection_keys from {reader};
