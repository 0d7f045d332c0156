-- Where keys live: the key-encryption key that wraps, who opens what, and private halves that another system holds.

-- The last row says which key-encryption key wraps, on every replica. A row is added under the table's exclusive lock,
-- and a private half is written under its row share lock: what was wrapped by the key before is there by then.
create table kek_rotations (
  seq           integer primary key,
  kek           text not null,
  at            timestamptz not null,
  reason        text not null,
  actor         text not null,
  -- The work that follows: who re-wraps, until when others leave it to them, what stands in its way, its end.
  worker        text,
  worker_until  timestamptz,
  trouble       text,
  finished_at   timestamptz
);

-- What each process says of itself every few seconds; deleted as it stops.
create table replicas (
  id          text primary key,
  host        text not null,
  opens       text[] not null,
  started_at  timestamptz not null,
  seen_at     timestamptz not null
);

-- Private halves that another system holds and never gives away. Each has a row in private_keys, too, under the name
-- 'held' instead of a key-encryption key: its end is there. One without such a row, because its ring never took it or its
-- time is over, is destroyed in the other system.
create table held_keys (
  name        text primary key,
  signer      text not null,
  kid         text not null unique,
  ring        text not null,
  created_at  timestamptz not null,
  -- When the other system was told.
  deleted_at  timestamptz
);
create index held_keys_there on held_keys (created_at) where deleted_at is null;

-- Where the next keys of a ring are made: the last row of a ring; in the database where there is none.
create table ring_signers (
  ring    text not null references rings (id),
  seq     integer not null,
  signer  text not null,
  region  text,
  at      timestamptz not null,
  reason  text not null,
  actor   text not null,
  primary key (ring, seq)
);

insert into service_privileges (relation, privileges) values
  ('kek_rotations', 'select, insert, update'),
  ('replicas', 'select, insert, update, delete'),
  ('held_keys', 'select, insert, update (deleted_at)'),
  ('ring_signers', 'select, insert');
select apply_service_privileges();
