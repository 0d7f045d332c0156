-- Static publishing: where documents are put as files, and when each key was in place there. Facts, but for two tables of
-- what a publisher remembers between passes.

-- Publishing to a target is on from this row to its end. Turned on anew it is another row: what was placed before is not
-- known to be there still.
create table publishing_targets (
  id       text primary key,
  -- A directory's absolute path, or s3://bucket/prefix.
  target   text not null,
  seq      integer not null,
  at       timestamptz not null,
  reason   text not null,
  actor    text not null,
  unique (target, seq)
);

create table publishing_ends (
  target   text primary key references publishing_targets (id),
  at       timestamptz not null,
  reason   text not null,
  actor    text not null
);

-- The document that holds this key was in place; again where somebody had put another in its place meanwhile.
create table placements (
  target     text not null references publishing_targets (id),
  kid        text not null references signing_keys (kid),
  placed_at  timestamptz not null,
  primary key (target, kid, placed_at)
);

-- The document in place was rendered without this key, which was placed or is revoked.
create table withdrawals (
  target        text not null references publishing_targets (id),
  kid           text not null references signing_keys (kid),
  withdrawn_at  timestamptz not null,
  primary key (target, kid)
);

-- What stands at a target, as its publisher left it: compared with what should stand there, and the tag that the next
-- write replaces.
create table placed_documents (
  target    text not null references publishing_targets (id),
  issuer    text not null references issuers (id),
  document  text not null check (document in ('jwks', 'discovery')),
  version   text not null,
  tag       text not null,
  primary key (target, issuer, document)
);

-- Who publishes to a target now, and how far it is.
create table publishing_passes (
  target        text primary key references publishing_targets (id),
  epoch         bigint not null default 0,
  holder        text,
  leased_until  timestamptz,
  -- Where the next pass starts; null for everything.
  since         text,
  -- Everything that was true then is in place.
  passed_at     timestamptz,
  -- Every document in place was looked at in a pass that began then.
  verified_at   timestamptz
);

-- A key leaves its document by time alone: a pass asks for those whose time came since the one before.
create index activations_removed on activations (predecessor_removed_at) where predecessor_removed_at is not null;

insert into service_privileges (relation, privileges) values
  ('publishing_targets', 'select, insert'),
  ('publishing_ends', 'select, insert'),
  ('placements', 'select, insert'),
  ('withdrawals', 'select, insert'),
  ('placed_documents', 'select, insert, update'),
  ('publishing_passes', 'select, insert, update');
select apply_service_privileges();
