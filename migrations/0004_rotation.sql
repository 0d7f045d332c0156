-- Rotations in numbers: the plan that follows a changed policy, the queue's leases, and rotations that somebody asked for.

-- How far the queue of rotations follows the key policy: its times are planned ring by ring, and a policy that changes
-- moves all of them. One row; whoever has it locked plans the next rings behind `after`.
create table rotation_plan (
  id              smallint primary key check (id = 1),
  policy_version  integer not null,
  -- The id of the last ring that was planned under that version; null once all are.
  after           text
);
insert into rotation_plan (id, policy_version, after)
  values (1, coalesce((select max(version) from key_policies), 1), null);

-- A ring that a process rotates now; whoever died in the midst loses it when the lease ends.
create table rotation_leases (
  ring          text primary key references rings (id),
  leased_until  timestamptz not null
);

-- What somebody asked to be rotated, each ring as soon as its conditions hold, at a rate for all replicas together.
create table rotation_runs (
  id               text primary key,
  selection        jsonb not null,
  rate_per_minute  integer not null,
  total            integer not null,
  actor            text not null,
  actor_as         text,
  reason           text not null,
  created_at       timestamptz not null,
  -- The id of the last ring that was written down for it; null once all are.
  listed           text,
  -- When the next ring may begin.
  next_at          timestamptz not null,
  ended_at         timestamptz,
  cancelled_by     text
);
create index rotation_runs_next on rotation_runs (next_at) where ended_at is null;

create table rotation_run_rings (
  run       text not null references rotation_runs (id),
  ring      text not null references rings (id),
  state     text not null check (state in ('waiting', 'done', 'failed')),
  -- While it waits: when to look again, and what stood in the way.
  next_at   timestamptz not null,
  attempts  integer not null default 0,
  code      text,
  detail    text,
  kid       text,
  primary key (run, ring)
);
create index rotation_run_rings_next on rotation_run_rings (run, next_at) where state = 'waiting';
create index rotation_run_rings_ring on rotation_run_rings (ring) where state = 'waiting';

insert into service_privileges (relation, privileges) values
  ('rotation_plan', 'select, update'),
  ('rotation_leases', 'select, insert, update, delete'),
  ('rotation_runs', 'select, insert, update'),
  ('rotation_run_rings', 'select, insert, update');

select apply_service_privileges();
