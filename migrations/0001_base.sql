-- Issuers, signing keys, registries, grants, audit. Forward only; written for PostgreSQL 15 and PGlite.

create table service (
  id          smallint primary key check (id = 1),
  issuer_url  text not null,
  created_at  timestamptz not null default now()
);

-- One row, bumped by every change that a decision may rest on; appends of audit rows read it FOR SHARE first.
create table policy_epoch (
  id     smallint primary key check (id = 1),
  epoch  bigint not null
);
insert into policy_epoch (id, epoch) values (1, 1);

create table issuers (
  id          text primary key,
  kind        text not null check (kind in ('platform', 'connection')),
  created_at  timestamptz not null default now()
);

-- Signing keys: append-only facts. What a key is follows from them and the clock (src/keys/timeline.ts).
create table rings (
  id                text primary key,
  issuer            text not null references issuers (id),
  algorithm         text not null check (algorithm in ('ES256', 'RS256')),
  purpose           text not null check (purpose in ('workload_token', 'web_identity_token')),
  created_at        timestamptz not null,
  -- The queue: when somebody should look at this ring again. Conditions are decided from the facts, never from this.
  next_rotation_at  timestamptz not null,
  -- The transaction that last wrote facts of this ring: views read what changed since their snapshot's xmin.
  changed_xid       xid8 not null default pg_current_xact_id(),
  unique (issuer, algorithm)
);
create index rings_next_rotation on rings (next_rotation_at);
create index rings_changed on rings (changed_xid);

create table signing_keys (
  kid             text primary key,
  ring            text not null references rings (id),
  published_at    timestamptz not null,
  born_with_ring  boolean not null,
  public          bytea not null
);
create index signing_keys_ring on signing_keys (ring);

create table activations (
  ring                      text not null references rings (id),
  seq                       integer not null,
  kid                       text not null unique references signing_keys (kid),
  signs_from                timestamptz not null,
  predecessor_removed_at    timestamptz,
  predecessor_destroyed_at  timestamptz,
  reason                    text not null,
  actor                     text not null,
  primary key (ring, seq)
);

create table holds (
  ring    text not null references rings (id),
  seq     integer not null,
  until   timestamptz not null,
  at      timestamptz not null,
  reason  text not null,
  actor   text not null,
  primary key (ring, seq)
);

create table revocations (
  kid                text primary key references signing_keys (kid),
  at                 timestamptz not null,
  accepted_outage    boolean not null,
  reason             text not null,
  actor              text not null
);

-- The one table of keys whose rows are re-wrapped and deleted.
create table private_keys (
  kid          text primary key references signing_keys (kid),
  kek          text not null,
  envelope     bytea not null,
  destroy_at   timestamptz
);
create index private_keys_destroy on private_keys (destroy_at) where destroy_at is not null;
create index private_keys_kek on private_keys (kek);

create table key_policies (
  version         integer primary key,
  a_seconds       integer not null,
  d_seconds       integer not null,
  r_seconds       integer not null,
  e_seconds       integer not null,
  period_seconds  integer not null,
  created_at      timestamptz not null,
  reason          text not null,
  actor           text not null
);

-- Registries.
create table workloads (
  id          text primary key,
  slug        text not null unique,
  description text not null default '',
  state       text not null check (state in ('active', 'suspended')),
  scopes      text[] not null,
  audiences   text[] not null,
  jwks        jsonb not null,
  version     integer not null default 1,
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now()
);

create table administrators (
  id          text primary key,
  slug        text not null unique,
  description text not null default '',
  state       text not null check (state in ('active', 'suspended')),
  scopes      text[] not null,
  jwks        jsonb not null,
  version     integer not null default 1,
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now()
);

create table connections (
  id                   text primary key,
  reference            text unique,
  name                 text not null,
  tenant               text not null,
  labels               jsonb not null,
  cloud                text not null check (cloud in ('aws')),
  issuer               text not null references issuers (id),
  subject              text not null,
  algorithm            text not null,
  state                text not null check (state in ('pending', 'verifying', 'active', 'degraded', 'unsafe', 'paused', 'disconnected')),
  state_reason         text not null default '',
  state_since          timestamptz not null default now(),
  max_session_seconds  integer not null,
  source_identity      boolean not null,
  session_tags         boolean not null,
  generation           integer not null default 1,
  created_at           timestamptz not null default now(),
  updated_at           timestamptz not null default now()
);
create index connections_tenant on connections (tenant, id);
create index connections_labels on connections using gin (labels jsonb_path_ops);

create table aws_connections (
  connection      text primary key references connections (id),
  account_id      text not null,
  partition       text not null,
  region          text not null,
  role_name       text not null,
  role_arn        text not null,
  permission_set  text not null,
  additions       text[] not null,
  custom_policy   jsonb,
  -- Pinned at the first success (the AROA… id); another one later is `degraded: role_recreated`.
  role_id         text,
  verified_at     timestamptz
);

-- What is being polled at the cloud's STS until it works; a row is leased by the process that polls it.
create table verifications (
  connection    text primary key references connections (id),
  started_at    timestamptz not null,
  attempts      integer not null default 0,
  next_at       timestamptz not null,
  leased_until  timestamptz,
  last_code     text,
  last_detail   text
);
create index verifications_next on verifications (next_at);

create table grants (
  id                   text primary key,
  workload             text not null references workloads (id),
  selector_kind        text not null check (selector_kind in ('connection', 'label', 'tenant', 'all')),
  selector_value       text not null,
  -- The selector as the containment operand of connections.labels, for `label` alone.
  selector_label       jsonb,
  purpose              text not null,
  max_session_seconds  integer not null,
  session_policy       jsonb,
  policy_arns          text[] not null,
  tags                 jsonb not null,
  version              integer not null default 1,
  created_at           timestamptz not null default now(),
  updated_at           timestamptz not null default now(),
  unique (workload, selector_kind, selector_value, purpose)
);
create index grants_selector on grants (selector_kind, selector_value);

create table idempotency_keys (
  actor         text not null,
  key           text not null,
  request_hash  bytea not null,
  status        integer not null,
  body          text not null,
  created_at    timestamptz not null default now(),
  primary key (actor, key)
);
create index idempotency_keys_created on idempotency_keys (created_at);

create table replay_keys (
  issuer      text not null,
  jti         text not null,
  expires_at  timestamptz not null,
  primary key (issuer, jti)
);
create index replay_keys_expires on replay_keys (expires_at);

-- Audit: what is hashed is the text in "row"; the columns beside it are for filters.
create table audit (
  month       date not null,
  stream      text not null,
  seq         bigint not null,
  at          timestamptz not null,
  kind        text not null,
  actor       text,
  workload    text,
  connection  text,
  exchange    text,
  row         text not null,
  hash        bytea not null,
  primary key (month, stream, seq)
) partition by range (month);
create index audit_at on audit (at, stream, seq);
create index audit_actor on audit (actor, at) where actor is not null;
create index audit_workload on audit (workload, at) where workload is not null;
create index audit_connection on audit (connection, at) where connection is not null;
create index audit_exchange on audit (exchange) where exchange is not null;
create index audit_kind on audit (kind, at);

-- Partitions are made by whoever runs the service, through this function alone.
create function ensure_audit_partition(first_day date) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  month_start date := date_trunc('month', first_day)::date;
begin
  if to_regclass('public.audit_' || to_char(month_start, 'YYYY_MM')) is not null then
    return;
  end if;
  -- One replica at a time, without stopping those that append: `if not exists` alone is no defence against a race.
  lock table public.audit in share update exclusive mode;
  execute format(
    'create table if not exists public.%I partition of public.audit for values from (%L) to (%L)',
    'audit_' || to_char(month_start, 'YYYY_MM'), month_start, (month_start + interval '1 month')::date);
end
$$;
