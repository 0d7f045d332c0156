-- What the service itself may do, apart from the owner of these tables: rows, never the schema, and facts are only added.

-- Table by table. A migration that makes a table adds its row here and calls apply_service_privileges(); without a row
-- the service may not touch it. `for update` and `lock table` need an update privilege.
create table service_privileges (
  relation    text primary key,
  privileges  text not null
);
insert into service_privileges (relation, privileges) values
  ('kysely_migration', 'select'),
  ('service_privileges', 'select'),
  ('service', 'select, insert, update (issuer_url)'),
  ('policy_epoch', 'select, update'),
  ('issuers', 'select, insert'),
  ('rings', 'select, insert, update (changed_xid, next_rotation_at)'),
  ('signing_keys', 'select, insert'),
  ('activations', 'select, insert'),
  ('holds', 'select, insert'),
  ('revocations', 'select, insert'),
  ('private_keys', 'select, insert, update, delete'),
  ('key_policies', 'select, insert'),
  ('workloads', 'select, insert, update'),
  ('administrators', 'select, insert, update'),
  ('connections', 'select, insert, update'),
  ('aws_connections', 'select, insert, update'),
  ('verifications', 'select, insert, update, delete'),
  ('grants', 'select, insert, update, delete'),
  ('idempotency_keys', 'select, insert, update, delete'),
  ('replay_keys', 'select, insert, update (expires_at), delete'),
  ('audit', 'select, insert');

-- Grants what stands above to the group role, where that role is there; the owner's alone, and safe to repeat.
create function apply_service_privileges() returns boolean
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
  item record;
begin
  if to_regrole('countersign_service') is null then
    return false;
  end if;
  lock table public.service_privileges in share row exclusive mode;
  for item in select relation, privileges from public.service_privileges where to_regclass('public.' || quote_ident(relation)) is not null loop
    execute format('grant %s on public.%I to countersign_service', item.privileges, item.relation);
  end loop;
  execute 'grant execute on function public.ensure_audit_partition(date) to countersign_service';
  return true;
end
$$;
revoke all on function apply_service_privileges() from public;
-- It runs as the owner, who alone may make partitions; whoever may append to the audit log may have them made.
revoke all on function ensure_audit_partition(date) from public;

-- A group without a login: the operator grants it to the role that the service logs in as. Roles belong to the whole
-- cluster, so another database may have made it, at this very moment too; an owner who may not make roles is told so by
-- the start, and asks somebody who may.
do $$
begin
  if to_regrole('countersign_service') is null then
    create role countersign_service nologin;
  end if;
exception
  when duplicate_object or unique_violation or insufficient_privilege then null;
end
$$;

-- A schema of a cluster from before PostgreSQL 15 may still let everybody create in it.
do $$
begin
  revoke create on schema public from public;
  if to_regrole('countersign_service') is not null then
    grant usage on schema public to countersign_service;
  end if;
exception
  when insufficient_privilege then null;
end
$$;

select apply_service_privileges();
