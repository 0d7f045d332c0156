-- People who prove who they are by a sign-in at their company's issuer; and clusters that share an `iss`.

alter table trusted_issuers
  -- How people sign in there: {"client_id", "scopes"}; null where nobody does.
  add column login          jsonb,
  -- The version of this row that `login` was last looked at with. A process of before this migration leaves it behind when
  -- it changes an issuer, because it does not ask for the scopes of the people behind: then nobody signs in.
  add column login_version  integer;

-- Beside workload_identities and not in it: a process of before this migration would take a person for a platform's token.
create table person_identities (
  id              text primary key,
  administrator   text references administrators (id),
  workload        text references workloads (id),
  owner           text not null generated always as (coalesce(administrator, workload)) stored,
  trusted_issuer  text not null references trusted_issuers (id),
  -- Exact: nobody is let in by how a name begins. Compared by bytes.
  subject         text collate "C" not null,
  claims          jsonb not null,
  report_only     boolean not null,
  version         integer not null default 1,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  check (num_nonnulls(administrator, workload) = 1)
);
create index person_identities_subject on person_identities (trusted_issuer, subject);
create index person_identities_owner on person_identities (owner, id);

-- Several may have one `iss` where their keys are pasted (src/trusted-issuers/sharing.ts). A process of before this
-- migration reads one row by `iss`: where it finds two its statement fails, so it takes no token of either.
alter table trusted_issuers drop constraint trusted_issuers_issuer_key;
create index trusted_issuers_issuer on trusted_issuers (issuer);
create unique index trusted_issuers_fetched on trusted_issuers (issuer) where jwks is null;

insert into service_privileges (relation, privileges) values
  ('person_identities', 'select, insert, update, delete');
select apply_service_privileges();
