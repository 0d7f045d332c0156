-- Canaries: web identity tokens that can do nothing, shown to a cloud's STS to see which keys it takes.

-- One look at one key: facts, only added.
create table canaries (
  -- The canary's jti, or a number of its own where none was made.
  id          text primary key,
  kid         text not null references signing_keys (kid),
  at          timestamptz not null,
  -- Whether a standby may sign, or whether a revoked key is refused by now.
  about       text not null check (about in ('standby', 'revocation')),
  -- `accepted` and `refused` are said of the key; `unclear` of something else, which the code names.
  outcome     text not null check (outcome in ('accepted', 'refused', 'unclear')),
  code        text,
  request_id  text
);
create index canaries_kid on canaries (kid, at);
create index canaries_refused on canaries (kid) where about = 'standby' and outcome = 'refused';

-- Which revocations are being proved: a queue, a row leased by the process that shows STS the next canary.
create table revocation_proofs (
  kid           text primary key references revocations (kid),
  started_at    timestamptz not null,
  next_at       timestamptz not null,
  leased_until  timestamptz,
  -- From then on the key signs nothing, canaries neither.
  ended_at      timestamptz,
  -- `proved`, or why it could not be.
  outcome       text
);
create index revocation_proofs_next on revocation_proofs (next_at) where ended_at is null;

-- Keys are proved by the connection of their issuer.
create index connections_issuer on connections (issuer);

insert into service_privileges (relation, privileges) values
  ('canaries', 'select, insert'),
  ('revocation_proofs', 'select, insert, update');
select apply_service_privileges();
