-- Workloads that prove who they are by what their platform says of them: the issuers that are trusted for it, and which
-- external identity is whose.

create table trusted_issuers (
  id                 text primary key,
  name               text not null unique,
  kind               text not null check (kind in ('kubernetes', 'github', 'gitlab', 'spiffe', 'aws', 'oidc')),
  -- The iss of its tokens, to the letter.
  issuer             text not null unique,
  -- The aud of its tokens at the token endpoint; null for ISSUER_URL.
  audience           text,
  algorithms         text[] not null,
  -- Where its keys are, where discovery does not say it; or the keys themselves.
  jwks_uri           text,
  jwks               jsonb,
  one_time           boolean not null,
  max_token_seconds  integer not null,
  state              text not null check (state in ('active', 'suspended')),
  version            integer not null default 1,
  created_at         timestamptz not null default now(),
  updated_at         timestamptz not null default now(),
  check (jwks_uri is null or jwks is null)
);

create table workload_identities (
  id               text primary key,
  workload         text not null references workloads (id),
  trusted_issuer   text not null references trusted_issuers (id),
  -- Exact, or with a wildcard as its last character. Compared by bytes.
  subject          text collate "C" not null,
  claims           jsonb not null,
  report_only      boolean not null,
  -- Why a wildcard was allowed; null where there is none.
  wildcard_reason  text,
  version          integer not null default 1,
  created_at       timestamptz not null default now(),
  updated_at       timestamptz not null default now()
);
create index workload_identities_subject on workload_identities (trusted_issuer, subject);
create index workload_identities_workload on workload_identities (workload, id);

-- How long a workload token may live on after the proof that it was given for.
alter table workloads add column max_outlive_seconds integer not null default 0;

insert into service_privileges (relation, privileges) values
  ('trusted_issuers', 'select, insert, update, delete'),
  ('workload_identities', 'select, insert, update, delete');
select apply_service_privileges();
