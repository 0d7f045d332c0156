-- Recorded by scripts/record-schema.ts: change that, not this.

CREATE FUNCTION public.apply_service_privileges() RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
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
CREATE FUNCTION public.ensure_audit_partition(first_day date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
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
CREATE TABLE public.activations (
    ring text NOT NULL,
    seq integer NOT NULL,
    kid text NOT NULL,
    signs_from timestamp with time zone NOT NULL,
    predecessor_removed_at timestamp with time zone,
    predecessor_destroyed_at timestamp with time zone,
    reason text NOT NULL,
    actor text NOT NULL
);
CREATE TABLE public.administrators (
    id text NOT NULL,
    slug text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    state text NOT NULL,
    scopes text[] NOT NULL,
    jwks jsonb NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT administrators_state_check CHECK ((state = ANY (ARRAY['active'::text, 'suspended'::text])))
);
CREATE TABLE public.audit (
    month date NOT NULL,
    stream text NOT NULL,
    seq bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    actor text,
    workload text,
    connection text,
    exchange text,
    "row" text NOT NULL,
    hash bytea NOT NULL
)
PARTITION BY RANGE (month);
CREATE TABLE public.audit_2026_11 (
    month date NOT NULL,
    stream text NOT NULL,
    seq bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    actor text,
    workload text,
    connection text,
    exchange text,
    "row" text NOT NULL,
    hash bytea NOT NULL
);
CREATE TABLE public.audit_2026_12 (
    month date NOT NULL,
    stream text NOT NULL,
    seq bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    actor text,
    workload text,
    connection text,
    exchange text,
    "row" text NOT NULL,
    hash bytea NOT NULL
);
CREATE TABLE public.audit_2027_01 (
    month date NOT NULL,
    stream text NOT NULL,
    seq bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    actor text,
    workload text,
    connection text,
    exchange text,
    "row" text NOT NULL,
    hash bytea NOT NULL
);
CREATE TABLE public.aws_connections (
    connection text NOT NULL,
    account_id text NOT NULL,
    partition text NOT NULL,
    region text NOT NULL,
    role_name text NOT NULL,
    role_arn text NOT NULL,
    permission_set text NOT NULL,
    additions text[] NOT NULL,
    custom_policy jsonb,
    role_id text,
    verified_at timestamp with time zone
);
CREATE TABLE public.connections (
    id text NOT NULL,
    reference text,
    name text NOT NULL,
    tenant text NOT NULL,
    labels jsonb NOT NULL,
    cloud text NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    algorithm text NOT NULL,
    state text NOT NULL,
    state_reason text DEFAULT ''::text NOT NULL,
    state_since timestamp with time zone DEFAULT now() NOT NULL,
    max_session_seconds integer NOT NULL,
    source_identity boolean NOT NULL,
    session_tags boolean NOT NULL,
    generation integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT connections_cloud_check CHECK ((cloud = 'aws'::text)),
    CONSTRAINT connections_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'verifying'::text, 'active'::text, 'degraded'::text, 'unsafe'::text, 'paused'::text, 'disconnected'::text])))
);
CREATE TABLE public.grants (
    id text NOT NULL,
    workload text NOT NULL,
    selector_kind text NOT NULL,
    selector_value text NOT NULL,
    selector_label jsonb,
    purpose text NOT NULL,
    max_session_seconds integer NOT NULL,
    session_policy jsonb,
    policy_arns text[] NOT NULL,
    tags jsonb NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT grants_selector_kind_check CHECK ((selector_kind = ANY (ARRAY['connection'::text, 'label'::text, 'tenant'::text, 'all'::text])))
);
CREATE TABLE public.holds (
    ring text NOT NULL,
    seq integer NOT NULL,
    until timestamp with time zone NOT NULL,
    at timestamp with time zone NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL
);
CREATE TABLE public.idempotency_keys (
    actor text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status integer NOT NULL,
    body text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.issuers (
    id text NOT NULL,
    kind text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT issuers_kind_check CHECK ((kind = ANY (ARRAY['platform'::text, 'connection'::text])))
);
CREATE TABLE public.key_policies (
    version integer NOT NULL,
    a_seconds integer NOT NULL,
    d_seconds integer NOT NULL,
    r_seconds integer NOT NULL,
    e_seconds integer NOT NULL,
    period_seconds integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL
);
CREATE TABLE public.kysely_migration (
    name character varying(255) NOT NULL,
    "timestamp" character varying(255) NOT NULL
);
CREATE TABLE public.kysely_migration_lock (
    id character varying(255) NOT NULL,
    is_locked integer DEFAULT 0 NOT NULL
);
CREATE TABLE public.policy_epoch (
    id smallint NOT NULL,
    epoch bigint NOT NULL,
    seal jsonb,
    CONSTRAINT policy_epoch_id_check CHECK ((id = 1))
);
CREATE TABLE public.private_keys (
    kid text NOT NULL,
    kek text NOT NULL,
    envelope bytea NOT NULL,
    destroy_at timestamp with time zone
);
CREATE TABLE public.replay_keys (
    issuer text NOT NULL,
    jti text NOT NULL,
    expires_at timestamp with time zone NOT NULL
);
CREATE TABLE public.revocations (
    kid text NOT NULL,
    at timestamp with time zone NOT NULL,
    accepted_outage boolean NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL
);
CREATE TABLE public.rings (
    id text NOT NULL,
    issuer text NOT NULL,
    algorithm text NOT NULL,
    purpose text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    next_rotation_at timestamp with time zone NOT NULL,
    changed_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT rings_algorithm_check CHECK ((algorithm = ANY (ARRAY['ES256'::text, 'RS256'::text]))),
    CONSTRAINT rings_purpose_check CHECK ((purpose = ANY (ARRAY['workload_token'::text, 'web_identity_token'::text])))
);
CREATE TABLE public.service (
    id smallint NOT NULL,
    issuer_url text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT service_id_check CHECK ((id = 1))
);
CREATE TABLE public.service_privileges (
    relation text NOT NULL,
    privileges text NOT NULL
);
CREATE TABLE public.signing_keys (
    kid text NOT NULL,
    ring text NOT NULL,
    published_at timestamp with time zone NOT NULL,
    born_with_ring boolean NOT NULL,
    public bytea NOT NULL
);
CREATE TABLE public.verifications (
    connection text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_at timestamp with time zone NOT NULL,
    leased_until timestamp with time zone,
    last_code text,
    last_detail text
);
CREATE TABLE public.workloads (
    id text NOT NULL,
    slug text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    state text NOT NULL,
    scopes text[] NOT NULL,
    audiences text[] NOT NULL,
    jwks jsonb NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT workloads_state_check CHECK ((state = ANY (ARRAY['active'::text, 'suspended'::text])))
);
ALTER TABLE ONLY public.audit ATTACH PARTITION public.audit_2026_11 FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');
ALTER TABLE ONLY public.audit ATTACH PARTITION public.audit_2026_12 FOR VALUES FROM ('2026-12-01') TO ('2027-01-01');
ALTER TABLE ONLY public.audit ATTACH PARTITION public.audit_2027_01 FOR VALUES FROM ('2027-01-01') TO ('2027-02-01');
INSERT INTO public.activations VALUES ('platform:ES256', 0, 'XW6wfFRdqQx7MUf2TNLSQujjaybyvQJhi2-Tkvtr_ng', '2026-11-26 17:43:41.902+00', NULL, NULL, 'born with the ring', 'system');
INSERT INTO public.activations VALUES ('is_q2bzk5ggwo43x2aduov6ikmy7y:ES256', 0, '1yrZTLxmg62X2SImTo9KENfqzF6r9ObRswBCuiB1PHY', '2026-11-26 17:43:42.216+00', NULL, NULL, 'a test', 'host');
INSERT INTO public.activations VALUES ('is_vc76fnr6ah2hthssj7d7lzm4ea:ES256', 0, 'szdem5-Tl-TELO2p5Jm1jifJje-3QBdLJiUnZpJUXvU', '2026-11-26 17:43:42.893+00', NULL, NULL, 'a test', 'host');
INSERT INTO public.activations VALUES ('platform:ES256', 1, 'FOFtwzHP4ndokbGYMeG606Kh2plMwk_O-DIiY8zTC3M', '2026-11-26 17:43:43.059+00', '2026-11-26 18:03:49.059+00', '2026-11-26 17:58:49.059+00', 'a test', 'host');
INSERT INTO public.administrators VALUES ('ad_oqvm74lk5h24bd5qpo2jewmrxm', 'ann', '', 'active', '{audit:read}', '{"keys": [{"x": "c0Kft_emcbDOF_imYhiAeATuZpXC4VNuSn1Qg8sgrmU", "y": "uAkC2tBaV5CKWOUJhGJVlOfouEuhNc_fsCYSIenbpWQ", "alg": "ES256", "crv": "P-256", "kid": "-Cjmw_Krrmi1RpnG0zRuOwGHwgGYoWG9pexW_U2Syuc", "kty": "EC", "created_at": "2026-11-26T17:43:42.930Z"}]}', 1, '2026-11-26 17:43:42.930368+00', '2026-11-26 17:43:42.930368+00');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_dykdcqqcoatkzgofctr4cs323a', 0, '2026-11-26 17:43:41.91+00', 'stream.opened', NULL, NULL, NULL, NULL, '{"at":"2026-11-26T17:43:41.910Z","details":{"continues":null},"kind":"stream.opened","seq":0,"stream":"st_dykdcqqcoatkzgofctr4cs323a","v":1}', '\x984df156996cb06670c20d3765145343af01736a638f7128da948eb559bae8d3');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_dykdcqqcoatkzgofctr4cs323a', 1, '2026-11-26 17:43:41.91+00', 'key_policy.seeded', 'system', NULL, NULL, NULL, '{"actor":"system","at":"2026-11-26T17:43:41.910Z","details":{"clockError":1000,"oldestServed":5000,"oldestSigned":5000,"period":180000,"verifierCache":5000},"kind":"key_policy.seeded","seq":1,"stream":"st_dykdcqqcoatkzgofctr4cs323a","v":1}', '\x278246544fb86ed8229d8830416b89f476a63450fb60b3273d17aa7995f8a30c');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_dykdcqqcoatkzgofctr4cs323a', 2, '2026-11-26 17:43:41.91+00', 'issuer.created', 'system', NULL, NULL, NULL, '{"actor":"system","at":"2026-11-26T17:43:41.910Z","details":{"issuer":"platform","kids":["XW6wfFRdqQx7MUf2TNLSQujjaybyvQJhi2-Tkvtr_ng","FOFtwzHP4ndokbGYMeG606Kh2plMwk_O-DIiY8zTC3M"],"url":"http://127.0.0.1:33859"},"kind":"issuer.created","seq":2,"stream":"st_dykdcqqcoatkzgofctr4cs323a","v":1}', '\x9af5e8ce7a641fb771f165f24ef1e6af3a703e4426cecee475dd6423092e853a');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_cpzs7n3n6yd2ddet5olxzozvum', 0, '2026-11-26 17:43:42.193+00', 'stream.opened', NULL, NULL, NULL, NULL, '{"at":"2026-11-26T17:43:42.193Z","details":{"continues":null},"kind":"stream.opened","seq":0,"stream":"st_cpzs7n3n6yd2ddet5olxzozvum","v":1}', '\xcf35a39aa716d9bf50159686b7e37c967b4c8024dcc6b0149917a070c2d8d2f2');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_cpzs7n3n6yd2ddet5olxzozvum', 1, '2026-11-26 17:43:42.193+00', 'token.minted', 'host', NULL, NULL, NULL, '{"actor":"host","at":"2026-11-26T17:43:42.193Z","details":{"as":"test","audience":"http://127.0.0.1:33859/v1","jti":"1554aa6c-234b-477a-a1e5-754a4ccb1248","kid":"XW6wfFRdqQx7MUf2TNLSQujjaybyvQJhi2-Tkvtr_ng","reason":"a test","request_id":"rq_kuwqilvz7bghfx4nvmaaaaaaab","scope":"connections:read connections:write workloads:read workloads:write administrators:read administrators:write grants:read grants:write keys:read keys:rotate keys:revoke audit:read service:seal"},"kind":"token.minted","seq":1,"stream":"st_cpzs7n3n6yd2ddet5olxzozvum","v":1}', '\x8e2efb3f7849036cbf8f2919618bf3123b438bf605cbdf9984379bb716ef4298');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_dykdcqqcoatkzgofctr4cs323a', 3, '2026-11-26 17:43:42.227+00', 'connection.created', 'host', NULL, 'cn_dvx2c44wfwacq5uxnzmohvbkrq', NULL, '{"actor":"host","at":"2026-11-26T17:43:42.227Z","connection":"cn_dvx2c44wfwacq5uxnzmohvbkrq","details":{"additions":[],"as":"test","issuer":"is_q2bzk5ggwo43x2aduov6ikmy7y","jti":"1554aa6c-234b-477a-a1e5-754a4ccb1248","labels":{"stage":"prod"},"name":"A customer","permission_set":"administrator","reason":"a test","reference":"acme","request_id":"rq_kuwqilvz7bghfx4nvmaaaaaaae","role_arn":"arn:aws:iam::111122223333:role/countersign-dvx2c44wfw","subject":"cn_dvx2c44wfwacq5uxnzmohvbkrq","tenant":"default"},"kind":"connection.created","seq":3,"stream":"st_dykdcqqcoatkzgofctr4cs323a","v":1}', '\x63140cbbb151b3975a933e1c0839bbd0b2af6b3f92d010514f8eb1c899aa6902');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_dykdcqqcoatkzgofctr4cs323a', 4, '2026-11-26 17:43:42.263+00', 'connection.verification_requested', 'host', NULL, 'cn_dvx2c44wfwacq5uxnzmohvbkrq', NULL, '{"actor":"host","at":"2026-11-26T17:43:42.263Z","connection":"cn_dvx2c44wfwacq5uxnzmohvbkrq","details":{"as":"test","by":"template","jti":"1554aa6c-234b-477a-a1e5-754a4ccb1248","reason":"a test","request_id":"rq_kuwqilvz7bghfx4nvmaaaaaaaf"},"kind":"connection.verification_requested","seq":4,"stream":"st_dykdcqqcoatkzgofctr4cs323a","v":1}', '\xeea689d6fb732c2d4b4d08b298975bac8fa12d7b6a5d33bb27760fa1e2357634');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_cpzs7n3n6yd2ddet5olxzozvum', 2, '2026-11-26 17:43:42.312+00', 'connection.verification_intent', 'system', NULL, 'cn_dvx2c44wfwacq5uxnzmohvbkrq', NULL, '{"actor":"system","at":"2026-11-26T17:43:42.312Z","connection":"cn_dvx2c44wfwacq5uxnzmohvbkrq","details":{"jti":"8de17ab8-1f91-4a0c-88f4-6fb30ad1b19b","kid":"1yrZTLxmg62X2SImTo9KENfqzF6r9ObRswBCuiB1PHY"},"kind":"connection.verification_intent","seq":2,"stream":"st_cpzs7n3n6yd2ddet5olxzozvum","v":1}', '\x7f1c2004f0aa3f25e875511ddd8b2b8800deac853cafe6aed7830c94e9f551a6');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_dykdcqqcoatkzgofctr4cs323a', 5, '2026-11-26 17:43:42.329+00', 'connection.verification_requested', 'host', NULL, 'cn_dvx2c44wfwacq5uxnzmohvbkrq', NULL, '{"actor":"host","at":"2026-11-26T17:43:42.329Z","connection":"cn_dvx2c44wfwacq5uxnzmohvbkrq","details":{"as":"test","by":"verify","jti":"1554aa6c-234b-477a-a1e5-754a4ccb1248","reason":"a test","request_id":"rq_kuwqilvz7bghfx4nvmaaaaaaah"},"kind":"connection.verification_requested","seq":5,"stream":"st_dykdcqqcoatkzgofctr4cs323a","v":1}', '\xc13210d0caf8177d02cd607c22db51add8a86d8d9c3daacffff553867ace58dd');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_dykdcqqcoatkzgofctr4cs323a', 6, '2026-11-26 17:43:42.375+00', 'connection.verified', 'system', NULL, 'cn_dvx2c44wfwacq5uxnzmohvbkrq', NULL, '{"actor":"system","at":"2026-11-26T17:43:42.375Z","connection":"cn_dvx2c44wfwacq5uxnzmohvbkrq","details":{"access_key_id":"ASIA7Z3U42QILT7RPOZ2","jti":"8de17ab8-1f91-4a0c-88f4-6fb30ad1b19b","kid":"1yrZTLxmg62X2SImTo9KENfqzF6r9ObRswBCuiB1PHY","pinned_role_id":null,"reason":"","request_id":"8a86d6dc-5f85-44ca-acdf-fb2f4e9f31a5","role_id":"AROAY377CZOCJEJTUEIZ7","state":"active","was":"verifying"},"kind":"connection.verified","seq":6,"stream":"st_dykdcqqcoatkzgofctr4cs323a","v":1}', '\x0def6c08550c8d204d36412ddb32c7f296fa7ac396c229ea95488dfd3ef801fb');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_dykdcqqcoatkzgofctr4cs323a', 7, '2026-11-26 17:43:42.905+00', 'connection.created', 'host', NULL, 'cn_g7vsw7ceplf2m7r4urdzfvwsd4', NULL, '{"actor":"host","at":"2026-11-26T17:43:42.905Z","connection":"cn_g7vsw7ceplf2m7r4urdzfvwsd4","details":{"additions":["s3"],"as":"test","issuer":"is_vc76fnr6ah2hthssj7d7lzm4ea","jti":"1554aa6c-234b-477a-a1e5-754a4ccb1248","labels":{},"name":"Never connected","permission_set":"core","reason":"a test","reference":null,"request_id":"rq_kuwqilvz7bghfx4nvmaaaaaaal","role_arn":"arn:aws:iam::444455556666:role/countersign-g7vsw7cepl","subject":"cn_g7vsw7ceplf2m7r4urdzfvwsd4","tenant":"default"},"kind":"connection.created","seq":7,"stream":"st_dykdcqqcoatkzgofctr4cs323a","v":1}', '\x1abce73d05c66e64f6600c17dff177d23007d9019734fd1514b915decccc651e');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_dykdcqqcoatkzgofctr4cs323a', 8, '2026-11-26 17:43:42.922+00', 'connection.verification_requested', 'host', NULL, 'cn_g7vsw7ceplf2m7r4urdzfvwsd4', NULL, '{"actor":"host","at":"2026-11-26T17:43:42.922Z","connection":"cn_g7vsw7ceplf2m7r4urdzfvwsd4","details":{"as":"test","by":"template","jti":"1554aa6c-234b-477a-a1e5-754a4ccb1248","reason":"a test","request_id":"rq_kuwqilvz7bghfx4nvmaaaaaaam"},"kind":"connection.verification_requested","seq":8,"stream":"st_dykdcqqcoatkzgofctr4cs323a","v":1}', '\xbc1b35945d57e174cb7812b07a4a0a5c30a92ed14f9a2a4eda55016d90b368ea');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_dykdcqqcoatkzgofctr4cs323a', 9, '2026-11-26 17:43:42.936+00', 'administrator.created', 'host', NULL, NULL, NULL, '{"actor":"host","at":"2026-11-26T17:43:42.936Z","details":{"administrator":"ad_oqvm74lk5h24bd5qpo2jewmrxm","as":"test","description":"","jti":"1554aa6c-234b-477a-a1e5-754a4ccb1248","kids":["-Cjmw_Krrmi1RpnG0zRuOwGHwgGYoWG9pexW_U2Syuc"],"reason":"a test","request_id":"rq_kuwqilvz7bghfx4nvmaaaaaaan","scopes":["audit:read"],"slug":"ann","state":"active","version":1},"kind":"administrator.created","seq":9,"stream":"st_dykdcqqcoatkzgofctr4cs323a","v":1}', '\xa968cac55374e9fa7ff09fff157cc0e2d74b36ce582bdbc55d42b9b1c510a69c');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_dykdcqqcoatkzgofctr4cs323a', 10, '2026-11-26 17:43:42.957+00', 'workload.created', 'host', 'wl_v6guugcanj43pnrvw62mwxep2e', NULL, NULL, '{"actor":"host","at":"2026-11-26T17:43:42.957Z","details":{"as":"test","audiences":["https://ledger.example"],"description":"","jti":"1554aa6c-234b-477a-a1e5-754a4ccb1248","kids":["azrQONbJsnP3pn1V-gGr978rbNAqvsAXXo4z0UYYDrM"],"reason":"a test","request_id":"rq_kuwqilvz7bghfx4nvmaaaaaaao","scopes":[],"slug":"billing","state":"active","version":1},"kind":"workload.created","seq":10,"stream":"st_dykdcqqcoatkzgofctr4cs323a","v":1,"workload":"wl_v6guugcanj43pnrvw62mwxep2e"}', '\x69086251c16ea9ee9dc0ac25752d07b99decfaca40a65916df2d28861d9edada');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_dykdcqqcoatkzgofctr4cs323a', 11, '2026-11-26 17:43:42.978+00', 'workload.created', 'host', 'wl_s5n2nrzjxzlo6e37rfgim3bdou', NULL, NULL, '{"actor":"host","at":"2026-11-26T17:43:42.978Z","details":{"as":"test","audiences":[],"description":"","jti":"1554aa6c-234b-477a-a1e5-754a4ccb1248","kids":["w49e-D0pGQWWgwuCasQ2CNp-wDtibTOYM8UaNSpKZSc"],"reason":"a test","request_id":"rq_kuwqilvz7bghfx4nvmaaaaaaap","scopes":[],"slug":"once","state":"active","version":1},"kind":"workload.created","seq":11,"stream":"st_dykdcqqcoatkzgofctr4cs323a","v":1,"workload":"wl_s5n2nrzjxzlo6e37rfgim3bdou"}', '\xe534c35b2dfb256b4db8b776482bbb6f1c01f578e849294f1fdaad43cb918de5');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_dykdcqqcoatkzgofctr4cs323a', 12, '2026-11-26 17:43:42.99+00', 'grant.created', 'host', 'wl_v6guugcanj43pnrvw62mwxep2e', 'cn_dvx2c44wfwacq5uxnzmohvbkrq', NULL, '{"actor":"host","at":"2026-11-26T17:43:42.990Z","connection":"cn_dvx2c44wfwacq5uxnzmohvbkrq","details":{"as":"test","grant":"gr_ywkabja5q22v5yu7x5pneezib4","jti":"1554aa6c-234b-477a-a1e5-754a4ccb1248","max_session_seconds":3600,"policy_arns":[],"purpose":"default","reason":"a test","request_id":"rq_kuwqilvz7bghfx4nvmaaaaaaaq","selector":{"connection":"cn_dvx2c44wfwacq5uxnzmohvbkrq"},"session_policy":null,"tags":{},"version":1},"kind":"grant.created","seq":12,"stream":"st_dykdcqqcoatkzgofctr4cs323a","v":1,"workload":"wl_v6guugcanj43pnrvw62mwxep2e"}', '\xdc363dc5681ab56d4de75a156d9242ac04aaf104d333eca7eafc6a7dcc3c8d73');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_dykdcqqcoatkzgofctr4cs323a', 13, '2026-11-26 17:43:43.007+00', 'grant.created', 'host', 'wl_v6guugcanj43pnrvw62mwxep2e', NULL, NULL, '{"actor":"host","at":"2026-11-26T17:43:43.007Z","details":{"as":"test","grant":"gr_qtsycb534uanvg7cskawf2hnt4","jti":"1554aa6c-234b-477a-a1e5-754a4ccb1248","max_session_seconds":1800,"policy_arns":[],"purpose":"labels","reason":"a test","request_id":"rq_kuwqilvz7bghfx4nvmaaaaaaar","selector":{"label":"stage=prod"},"session_policy":null,"tags":{"team":"x"},"version":1},"kind":"grant.created","seq":13,"stream":"st_dykdcqqcoatkzgofctr4cs323a","v":1,"workload":"wl_v6guugcanj43pnrvw62mwxep2e"}', '\xd698758b9839695caa4a983c91b30afd5580f52ae0af7387942a778c86daa99c');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_cpzs7n3n6yd2ddet5olxzozvum', 3, '2026-11-26 17:43:43.028+00', 'token.minted', 'wl_v6guugcanj43pnrvw62mwxep2e', 'wl_v6guugcanj43pnrvw62mwxep2e', 'cn_dvx2c44wfwacq5uxnzmohvbkrq', NULL, '{"actor":"wl_v6guugcanj43pnrvw62mwxep2e","at":"2026-11-26T17:43:43.028Z","connection":"cn_dvx2c44wfwacq5uxnzmohvbkrq","details":{"assertion_jti":"4f0a2d31-7815-480f-908d-f224a7e923de","audience":"http://127.0.0.1:33859/v1/connections/cn_dvx2c44wfwacq5uxnzmohvbkrq/credentials","client_kid":"azrQONbJsnP3pn1V-gGr978rbNAqvsAXXo4z0UYYDrM","jti":"-r_6UqXzFlxstmAq5mktAbwZNzI-vsHGKxfUVVO052g","kid":"XW6wfFRdqQx7MUf2TNLSQujjaybyvQJhi2-Tkvtr_ng","request_id":"rq_kuwqilvz7bghfx4nvmaaaaaaas"},"kind":"token.minted","seq":3,"stream":"st_cpzs7n3n6yd2ddet5olxzozvum","v":1,"workload":"wl_v6guugcanj43pnrvw62mwxep2e"}', '\x2a40b9f958d24d3efde8a08dce048bc84cb75579a3492d33f6f409df75596b65');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_cpzs7n3n6yd2ddet5olxzozvum', 4, '2026-11-26 17:43:43.037+00', 'exchange.intent', 'wl_v6guugcanj43pnrvw62mwxep2e', 'wl_v6guugcanj43pnrvw62mwxep2e', 'cn_dvx2c44wfwacq5uxnzmohvbkrq', 'ex_7xpt736jz6hxyqojsosofq2oje', '{"actor":"wl_v6guugcanj43pnrvw62mwxep2e","at":"2026-11-26T17:43:43.037Z","connection":"cn_dvx2c44wfwacq5uxnzmohvbkrq","details":{"duration_seconds":3600,"generation":3,"grant":"gr_ywkabja5q22v5yu7x5pneezib4","grant_version":1,"jti":"f2642ddd-c15f-4efe-a8a1-43a9f5463e69","kid":"1yrZTLxmg62X2SImTo9KENfqzF6r9ObRswBCuiB1PHY","purpose":"default","request_id":"rq_kuwqilvz7bghfx4nvmaaaaaaat","role_arn":"arn:aws:iam::111122223333:role/countersign-dvx2c44wfw","token_jti":"-r_6UqXzFlxstmAq5mktAbwZNzI-vsHGKxfUVVO052g"},"exchange":"ex_7xpt736jz6hxyqojsosofq2oje","kind":"exchange.intent","seq":4,"stream":"st_cpzs7n3n6yd2ddet5olxzozvum","v":1,"workload":"wl_v6guugcanj43pnrvw62mwxep2e"}', '\x2fc817f5b40a1f5b88ffdc344492679ae0e3ca8540a2b25fcfbaf445d6874bd7');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_cpzs7n3n6yd2ddet5olxzozvum', 5, '2026-11-26 17:43:43.047+00', 'exchange.outcome', 'wl_v6guugcanj43pnrvw62mwxep2e', 'wl_v6guugcanj43pnrvw62mwxep2e', 'cn_dvx2c44wfwacq5uxnzmohvbkrq', 'ex_7xpt736jz6hxyqojsosofq2oje', '{"actor":"wl_v6guugcanj43pnrvw62mwxep2e","at":"2026-11-26T17:43:43.047Z","connection":"cn_dvx2c44wfwacq5uxnzmohvbkrq","details":{"access_key_id":"ASIA77IXVALQBGRBJLKG","assumed_role_id":"AROAY377CZOCJEJTUEIZ7:billing-v6guugca","expires_at":"2026-11-26T18:43:43.000Z","outcome":"handed_out","packed_policy_size":25,"request_id":"rq_kuwqilvz7bghfx4nvmaaaaaaat","sts_request_id":"88f6345a-594f-4111-9e8a-b926276f5d03"},"exchange":"ex_7xpt736jz6hxyqojsosofq2oje","kind":"exchange.outcome","seq":5,"stream":"st_cpzs7n3n6yd2ddet5olxzozvum","v":1,"workload":"wl_v6guugcanj43pnrvw62mwxep2e"}', '\x0ce363560ebc4f59e945499784a4cbebb86a8cd68e00c5c4c7851f08fd0bbe24');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_dykdcqqcoatkzgofctr4cs323a', 14, '2026-11-26 17:43:43.062+00', 'key.rotated', 'host', NULL, NULL, NULL, '{"actor":"host","at":"2026-11-26T17:43:43.062Z","details":{"as":"test","jti":"1554aa6c-234b-477a-a1e5-754a4ccb1248","kid":"FOFtwzHP4ndokbGYMeG606Kh2plMwk_O-DIiY8zTC3M","predecessor":"XW6wfFRdqQx7MUf2TNLSQujjaybyvQJhi2-Tkvtr_ng","predecessor_removed_at":"2026-11-26T18:03:49.059Z","reason":"a test","request_id":"rq_kuwqilvz7bghfx4nvmaaaaaaaw","ring":"platform:ES256","signs_from":"2026-11-26T17:43:43.059Z","standby":"WuIE9MZLbLZH0LYzWD5pSYJrjQfV-sA9K8dqoDpSGhk"},"kind":"key.rotated","seq":14,"stream":"st_dykdcqqcoatkzgofctr4cs323a","v":1}', '\xf63f71b6c9fdb6a326903afc578eeb7502378303211c5cbf8e22b2d9b073c154');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_dykdcqqcoatkzgofctr4cs323a', 15, '2026-11-26 17:43:43.085+00', 'key.revoked', 'host', NULL, NULL, NULL, '{"actor":"host","at":"2026-11-26T17:43:43.085Z","details":{"as":"test","forgeries_until":"2026-11-26T17:43:53.083Z","jti":"1554aa6c-234b-477a-a1e5-754a4ccb1248","kid":"XW6wfFRdqQx7MUf2TNLSQujjaybyvQJhi2-Tkvtr_ng","reason":"a test","request_id":"rq_kuwqilvz7bghfx4nvmaaaaaaay","revoked_at":"2026-11-26T17:43:43.083Z","ring":"platform:ES256","was":"verify_only"},"kind":"key.revoked","seq":15,"stream":"st_dykdcqqcoatkzgofctr4cs323a","v":1}', '\x2107076f2257f809f49aae4e097920605553646e6f0b1af0a70f9791a790d2df');
INSERT INTO public.aws_connections VALUES ('cn_dvx2c44wfwacq5uxnzmohvbkrq', '111122223333', 'aws', 'us-east-1', 'countersign-dvx2c44wfw', 'arn:aws:iam::111122223333:role/countersign-dvx2c44wfw', 'administrator', '{}', NULL, 'AROAY377CZOCJEJTUEIZ7', '2026-11-26 17:43:42.367296+00');
INSERT INTO public.aws_connections VALUES ('cn_g7vsw7ceplf2m7r4urdzfvwsd4', '444455556666', 'aws', 'us-east-1', 'countersign-g7vsw7cepl', 'arn:aws:iam::444455556666:role/countersign-g7vsw7cepl', 'core', '{s3}', NULL, NULL, NULL);
INSERT INTO public.connections VALUES ('cn_dvx2c44wfwacq5uxnzmohvbkrq', 'acme', 'A customer', 'default', '{"stage": "prod"}', 'aws', 'is_q2bzk5ggwo43x2aduov6ikmy7y', 'cn_dvx2c44wfwacq5uxnzmohvbkrq', 'ES256', 'active', '', '2026-11-26 17:43:42.367296+00', 3600, false, false, 3, '2026-11-26 17:43:42.214924+00', '2026-11-26 17:43:42.367296+00');
INSERT INTO public.connections VALUES ('cn_g7vsw7ceplf2m7r4urdzfvwsd4', NULL, 'Never connected', 'default', '{}', 'aws', 'is_vc76fnr6ah2hthssj7d7lzm4ea', 'cn_g7vsw7ceplf2m7r4urdzfvwsd4', 'ES256', 'verifying', '', '2026-11-26 17:43:42.915197+00', 3600, false, false, 2, '2026-11-26 17:43:42.892164+00', '2026-11-26 17:43:42.915197+00');
INSERT INTO public.grants VALUES ('gr_ywkabja5q22v5yu7x5pneezib4', 'wl_v6guugcanj43pnrvw62mwxep2e', 'connection', 'cn_dvx2c44wfwacq5uxnzmohvbkrq', NULL, 'default', 3600, NULL, '{}', '{}', 1, '2026-11-26 17:43:42.985088+00', '2026-11-26 17:43:42.985088+00');
INSERT INTO public.grants VALUES ('gr_qtsycb534uanvg7cskawf2hnt4', 'wl_v6guugcanj43pnrvw62mwxep2e', 'label', 'stage=prod', '{"stage": "prod"}', 'labels', 1800, NULL, '{}', '{"team": "x"}', 1, '2026-11-26 17:43:43.003314+00', '2026-11-26 17:43:43.003314+00');
INSERT INTO public.holds VALUES ('is_q2bzk5ggwo43x2aduov6ikmy7y:ES256', 0, '2026-11-26 17:43:43.100268+00', '2026-11-26 17:43:43.100268+00', 'recorded', 'host');
INSERT INTO public.idempotency_keys VALUES ('host', 'recorded', '\x38d38fbe6669abd80617de65ce02c5557bd350bf3d2be4f0e2871e47ba191a7e', 201, '{"id":"wl_s5n2nrzjxzlo6e37rfgim3bdou","slug":"once","description":"","state":"active","scopes":[],"audiences":[],"version":1,"keys":[{"kid":"w49e-D0pGQWWgwuCasQ2CNp-wDtibTOYM8UaNSpKZSc","alg":"ES256","jwk":{"x":"Umf--TQzPYmmEShff2bad2e-jmLbtj7B8TA5QouH4Eg","y":"UT0qlB5VHd9H_aicfZByyOkJ3QTG6NfGlFnHTckMOPM","crv":"P-256","kty":"EC"},"created_at":"2026-11-26T17:43:42.974Z","expires_at":null}],"created_at":"2026-11-26T17:43:42.973Z","updated_at":"2026-11-26T17:43:42.973Z"}', '2026-11-26 17:43:42.973351+00');
INSERT INTO public.issuers VALUES ('platform', 'platform', '2026-11-26 17:43:41.898336+00');
INSERT INTO public.issuers VALUES ('is_q2bzk5ggwo43x2aduov6ikmy7y', 'connection', '2026-11-26 17:43:42.214924+00');
INSERT INTO public.issuers VALUES ('is_vc76fnr6ah2hthssj7d7lzm4ea', 'connection', '2026-11-26 17:43:42.892164+00');
INSERT INTO public.key_policies VALUES (1, 5, 5, 5, 1, 180, '2026-11-26 17:43:41.9+00', 'seeded from the configuration', 'system');
INSERT INTO public.kysely_migration VALUES ('0001_base', '2026-11-26T17:43:41.849Z');
INSERT INTO public.kysely_migration VALUES ('0002_seal', '2026-11-26T17:43:41.852Z');
INSERT INTO public.kysely_migration VALUES ('0003_service_role', '2026-11-26T17:43:41.857Z');
INSERT INTO public.kysely_migration_lock VALUES ('migration_lock', 0);
INSERT INTO public.policy_epoch VALUES (1, 12, NULL);
INSERT INTO public.private_keys VALUES ('FOFtwzHP4ndokbGYMeG606Kh2plMwk_O-DIiY8zTC3M', '76bbe1a23d3d8108', '\x01003c4b196b0756c7dd01c953c808e639b07e9e613a2344e55972d891fb59735f6e1c5b83fe6a372b4d07b2f7f07a95c051f3c7f77eaa316890a2d1398df10c587a49cfdc73051747c5b5787b4d0014a81f89889b659c529c6a9dd9395b98357a4e901f8ddf94476a9dbd65804b13b21f015736c7a32ae088fbca9c52a6ee1a50352f5c6ca9ca3c583fb8c06a2c53590df56c2a8be45db69daf668201f09e1f56b9d6b3080fbab75c8850e6eab9c91ce3e12bf5913e49dc74cafa2aa6d907c76b89413880590c1150107976e785e92d65e7c6d7c10c2e1eaf8c3c4349f58d66280def10fb', NULL);
INSERT INTO public.private_keys VALUES ('1yrZTLxmg62X2SImTo9KENfqzF6r9ObRswBCuiB1PHY', '76bbe1a23d3d8108', '\x01003c6db5ac5c3765f985d62fadd6002f46e0a7bd8f2ffcbfb1ebd3eec120712e9346bb124d47a825d6ed7cf34d748fc863606ddd715511fb9e0d49283c5ff9f05c03e24326a0e4e87afc0fe7362f0fc3085fa7c7d44d54ee282791885d36e9363c75ea5be26a62d60051a07ee066187e95a61e5dce12dcd267564bf029fcdb13e5a7058fe2136cb22d851a30f2bb1d646f016489bd4543be14eedf7b7c532ef1452d39cce9e6b6834d505c599b7c42d2fc20ca33bce029602d00b6ca5a258c7a46663637ee982bef632c8034d35194949fc71dbc9f865f205614791237b25a15aa46e0ac', NULL);
INSERT INTO public.private_keys VALUES ('RUHzBL3Pzr-7m2q69kL2Rr0MR_EQ5NXqYT31g3KyBTg', '76bbe1a23d3d8108', '\x01003c2ceda38894a8080b99273a2c4ddb8becc140c9b8341612aa91711f9c1e953572d2911246046fb102c875c8f42e8f779cdd6cadd8fa1ef5a9027dc5a7b78dd802bb60820d6f270332b291515da02f1f094ebd3aee1adddf31263570fa38440e663ff17d39f0baff0a78b365c45d8a0c98b59d7fa1ac7d6ef4dd27b6559fd877833562532f7cd19c6766064aac22cb7dff9c36322a63f086f33c829c1ceb5d5b8df3c8164f0cdba60c01af2ce7fe00e302751f4c4f236285926a6743a07e6412a42174a622eb9ea6d98df23688db31fcc7ba54d51b91dea7cbccbd27326b5d0f2d962e', NULL);
INSERT INTO public.private_keys VALUES ('szdem5-Tl-TELO2p5Jm1jifJje-3QBdLJiUnZpJUXvU', '76bbe1a23d3d8108', '\x01003cc691e21b198b384912fe5e5027f7ce8a71ad82d3ebd95ce30d6625317c8aedc5ee1aa7a32e76032a30031037ef5dbd294d176e50f2d1e642d6ecba090c8e05c5f64196c8aa932c8638b5900b3e86aeadfe0ce985ddf7296741b56739a7889a9e13d391b6cc3eaacf24c70bf2ef98b666a9c4f8b2cdce8de71f02f6a853bcff0e78220e119e4329d4c5eb4533e77878798bcee9bc36e402cc9c33cc6827803b88202d2f5f1ce9ad227d50cd2e0a05720671a4e49b5ea23f3ba14cee223a60f54235a3bdeaf316e1c2f6ed28c7aa5347c3745817a1d6f9a79132e3abebad6a73764fc8', NULL);
INSERT INTO public.private_keys VALUES ('_7WJyYAgwmh7aFj1E_1P-IHkwkKCawYDjuYQpqYmqwE', '76bbe1a23d3d8108', '\x01003c09da080e4bf558d6279456e3f4726f3c4466b59618c4215d60f5cd4ab25b3328699fbe1914dfc495ae8343253c3c2bdbfedec8ffe0675adbdf390ff3a0627e69d45b96b1a7c8fff6b6f599459814cb02c4e98a13a87b3d500e1312848cc4e31cc0a175800e942bb84616012c98f229e63424e41e00dadb69339453ce08045c731bacd3c4d19a5badafee9fdd49a1fb6d19719213c21a69501064cfb0982e0de301ef85592e97fe6bd2702b7c547bfd15395df1139cd71894db7e924e1f95d2fe446003c48c00c41222684e768a55c8bfe6939235c18b9bde02cdd235b8ce80b92837', NULL);
INSERT INTO public.private_keys VALUES ('WuIE9MZLbLZH0LYzWD5pSYJrjQfV-sA9K8dqoDpSGhk', '76bbe1a23d3d8108', '\x01003c346dac6f8846b1973031b1d98c4bae34c4f1a63288ca593ea66e4e3cb112a8856de67f7ffc7c3314d4ad381fdba1241d05727d6bb311b6ca6276e3fba1cf41bd2475d7c053e00c6431e2026ebbd57bc385794756f4721bfb73b346866a051ab8e6250d1701253d89adb5e9afd32a8024775d397c870b999b61a00eeb5e89b93c7026568bd60c5d1f994e045566f87ca3af735eb95c2268851475342405a1b56a00cfebb80c8dc80ad7d71822d650b6910b977dfd99381ec6d0d2d2a0010328296decc2f23b3929000372a48c74b218bd56160dadef4f5c182349042fc72869251b9a', NULL);
INSERT INTO public.private_keys VALUES ('XW6wfFRdqQx7MUf2TNLSQujjaybyvQJhi2-Tkvtr_ng', '76bbe1a23d3d8108', '\x01003c4daeee1f159e5c457b84a5972c0cde0f13af6df725572d3a34fe79872fa675dd987905e98f6ec886529a33e5a12e6302d9c68c3102595c4b00c096b4c9b3f662169859bd1a85c4f3555228055f26a5953b62b7c0f3fdaa092afc5d166d2d6616b2d694bef855d46fdbd903f04618d84df94936a9584b9333fb98f0e5be3640610c4189e22d1c7c2a270436822c50c4edf5170309ff5c5a2be29922c68faf2f209f261d036f636fcec70b1033c9b2ecc1827be1d1f167d33622d00666aa82b0e73247708627d3b99c6b2c1f1818565a225263956ce215d0e8c3f701bfeb7cc6ea18e2', '2026-11-26 17:43:54.083+00');
INSERT INTO public.replay_keys VALUES ('wl_v6guugcanj43pnrvw62mwxep2e', '4f0a2d31-7815-480f-908d-f224a7e923de', '2026-11-26 17:44:48+00');
INSERT INTO public.revocations VALUES ('XW6wfFRdqQx7MUf2TNLSQujjaybyvQJhi2-Tkvtr_ng', '2026-11-26 17:43:43.083+00', false, 'a test', 'host');
INSERT INTO public.rings VALUES ('is_q2bzk5ggwo43x2aduov6ikmy7y:ES256', 'is_q2bzk5ggwo43x2aduov6ikmy7y', 'ES256', 'web_identity_token', '2026-11-26 17:43:42.216+00', '2026-11-26 17:46:42.216+00', '736');
INSERT INTO public.rings VALUES ('is_vc76fnr6ah2hthssj7d7lzm4ea:ES256', 'is_vc76fnr6ah2hthssj7d7lzm4ea', 'ES256', 'web_identity_token', '2026-11-26 17:43:42.893+00', '2026-11-26 17:46:42.893+00', '742');
INSERT INTO public.rings VALUES ('platform:ES256', 'platform', 'ES256', 'workload_token', '2026-11-26 17:43:41.902+00', '2026-11-26 17:46:43.059+00', '761');
INSERT INTO public.service VALUES (1, 'http://127.0.0.1:33859', '2026-11-26 17:43:41.898336+00');
INSERT INTO public.service_privileges VALUES ('kysely_migration', 'select');
INSERT INTO public.service_privileges VALUES ('service_privileges', 'select');
INSERT INTO public.service_privileges VALUES ('service', 'select, insert, update (issuer_url)');
INSERT INTO public.service_privileges VALUES ('policy_epoch', 'select, update');
INSERT INTO public.service_privileges VALUES ('issuers', 'select, insert');
INSERT INTO public.service_privileges VALUES ('rings', 'select, insert, update (changed_xid, next_rotation_at)');
INSERT INTO public.service_privileges VALUES ('signing_keys', 'select, insert');
INSERT INTO public.service_privileges VALUES ('activations', 'select, insert');
INSERT INTO public.service_privileges VALUES ('holds', 'select, insert');
INSERT INTO public.service_privileges VALUES ('revocations', 'select, insert');
INSERT INTO public.service_privileges VALUES ('private_keys', 'select, insert, update, delete');
INSERT INTO public.service_privileges VALUES ('key_policies', 'select, insert');
INSERT INTO public.service_privileges VALUES ('workloads', 'select, insert, update');
INSERT INTO public.service_privileges VALUES ('administrators', 'select, insert, update');
INSERT INTO public.service_privileges VALUES ('connections', 'select, insert, update');
INSERT INTO public.service_privileges VALUES ('aws_connections', 'select, insert, update');
INSERT INTO public.service_privileges VALUES ('verifications', 'select, insert, update, delete');
INSERT INTO public.service_privileges VALUES ('grants', 'select, insert, update, delete');
INSERT INTO public.service_privileges VALUES ('idempotency_keys', 'select, insert, update, delete');
INSERT INTO public.service_privileges VALUES ('replay_keys', 'select, insert, update (expires_at), delete');
INSERT INTO public.service_privileges VALUES ('audit', 'select, insert');
INSERT INTO public.signing_keys VALUES ('XW6wfFRdqQx7MUf2TNLSQujjaybyvQJhi2-Tkvtr_ng', 'platform:ES256', '2026-11-26 17:43:41.902+00', true, '\x5b0624548b6b46b32f078f148546b6b758c74c95b8d61b4157bd64b2e21f849d9d9c12dbc09da5c8dc7c69442edbc8c57308bf56bc2a08e402e142414edd54fb');
INSERT INTO public.signing_keys VALUES ('FOFtwzHP4ndokbGYMeG606Kh2plMwk_O-DIiY8zTC3M', 'platform:ES256', '2026-11-26 17:43:41.902+00', true, '\xb5e135b822bab86005844ef66046efe4928a53815e6bf99de9efdd4d73798e5035ba9877b97c3839b080db77d14742f26577991d359a9377f19d8b999f971b8e');
INSERT INTO public.signing_keys VALUES ('1yrZTLxmg62X2SImTo9KENfqzF6r9ObRswBCuiB1PHY', 'is_q2bzk5ggwo43x2aduov6ikmy7y:ES256', '2026-11-26 17:43:42.216+00', true, '\x6e5896953d783e9ef03130341077641fa42bb1ba8d99f08115dafe4d04446d815f7ff0bd064a30916b5fe09eea045f1153d036812b7a21ac72c49f3ad7606291');
INSERT INTO public.signing_keys VALUES ('RUHzBL3Pzr-7m2q69kL2Rr0MR_EQ5NXqYT31g3KyBTg', 'is_q2bzk5ggwo43x2aduov6ikmy7y:ES256', '2026-11-26 17:43:42.216+00', true, '\xf2e5b804d118b002dc111acb731dfbdc6e5b4c6b3afd5a7adcdf65239a6d2bdd8b6902cc78c86ecf29bd07f5a2ccbcb3fe0029246d600df819b8ba2fa9ef050e');
INSERT INTO public.signing_keys VALUES ('szdem5-Tl-TELO2p5Jm1jifJje-3QBdLJiUnZpJUXvU', 'is_vc76fnr6ah2hthssj7d7lzm4ea:ES256', '2026-11-26 17:43:42.893+00', true, '\xe6375e6b1179f1688135240f185236c3334418b61454ccbb02571b4e7c13a504b617f09b3307643364d489cba5fde0029beabbd32e2a95746a295bbdf05afc47');
INSERT INTO public.signing_keys VALUES ('_7WJyYAgwmh7aFj1E_1P-IHkwkKCawYDjuYQpqYmqwE', 'is_vc76fnr6ah2hthssj7d7lzm4ea:ES256', '2026-11-26 17:43:42.893+00', true, '\x9e6b4da3b52cde7f8eec22bd0146687d2d8185d9bf3606fb38cee68c52c6343b6d7b895da4fa1d4728d6fed1eef569a18eef21a0b886e5be1761d9e50d2a7acc');
INSERT INTO public.signing_keys VALUES ('WuIE9MZLbLZH0LYzWD5pSYJrjQfV-sA9K8dqoDpSGhk', 'platform:ES256', '2026-11-26 17:43:43.059+00', false, '\x3ce2856f1f17006c0e5beb9000ce138b16a0d4efea38366005dceca3720633766bc591d17e224760e7e1fe2007c1f6a4684da6adb4123e6c1651502bd8bfdc7a');
INSERT INTO public.verifications VALUES ('cn_g7vsw7ceplf2m7r4urdzfvwsd4', '2026-11-26 17:43:42.915197+00', 0, '2026-11-26 17:43:42.915197+00', NULL, NULL, NULL);
INSERT INTO public.workloads VALUES ('wl_v6guugcanj43pnrvw62mwxep2e', 'billing', '', 'active', '{}', '{https://ledger.example}', '{"keys": [{"x": "fBm9AjDLtpv2ZWtUE4U904_9ly2XP3iEA7ETdS7qyBQ", "y": "scRy1-jMbN9pnZEQvJXsR2RvbKvLQ2JgypUo6Zr-bpU", "alg": "ES256", "crv": "P-256", "kid": "azrQONbJsnP3pn1V-gGr978rbNAqvsAXXo4z0UYYDrM", "kty": "EC", "created_at": "2026-11-26T17:43:42.954Z"}]}', 1, '2026-11-26 17:43:42.953001+00', '2026-11-26 17:43:42.953001+00');
INSERT INTO public.workloads VALUES ('wl_s5n2nrzjxzlo6e37rfgim3bdou', 'once', '', 'active', '{}', '{}', '{"keys": [{"x": "Umf--TQzPYmmEShff2bad2e-jmLbtj7B8TA5QouH4Eg", "y": "UT0qlB5VHd9H_aicfZByyOkJ3QTG6NfGlFnHTckMOPM", "alg": "ES256", "crv": "P-256", "kid": "w49e-D0pGQWWgwuCasQ2CNp-wDtibTOYM8UaNSpKZSc", "kty": "EC", "created_at": "2026-11-26T17:43:42.974Z"}]}', 1, '2026-11-26 17:43:42.973351+00', '2026-11-26 17:43:42.973351+00');
ALTER TABLE ONLY public.activations
    ADD CONSTRAINT activations_kid_key UNIQUE (kid);
ALTER TABLE ONLY public.activations
    ADD CONSTRAINT activations_pkey PRIMARY KEY (ring, seq);
ALTER TABLE ONLY public.administrators
    ADD CONSTRAINT administrators_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.administrators
    ADD CONSTRAINT administrators_slug_key UNIQUE (slug);
ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (month, stream, seq);
ALTER TABLE ONLY public.audit_2026_11
    ADD CONSTRAINT audit_2026_11_pkey PRIMARY KEY (month, stream, seq);
ALTER TABLE ONLY public.audit_2026_12
    ADD CONSTRAINT audit_2026_12_pkey PRIMARY KEY (month, stream, seq);
ALTER TABLE ONLY public.audit_2027_01
    ADD CONSTRAINT audit_2027_01_pkey PRIMARY KEY (month, stream, seq);
ALTER TABLE ONLY public.aws_connections
    ADD CONSTRAINT aws_connections_pkey PRIMARY KEY (connection);
ALTER TABLE ONLY public.connections
    ADD CONSTRAINT connections_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.connections
    ADD CONSTRAINT connections_reference_key UNIQUE (reference);
ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_workload_selector_kind_selector_value_purpose_key UNIQUE (workload, selector_kind, selector_value, purpose);
ALTER TABLE ONLY public.holds
    ADD CONSTRAINT holds_pkey PRIMARY KEY (ring, seq);
ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (actor, key);
ALTER TABLE ONLY public.issuers
    ADD CONSTRAINT issuers_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.key_policies
    ADD CONSTRAINT key_policies_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.kysely_migration_lock
    ADD CONSTRAINT kysely_migration_lock_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.kysely_migration
    ADD CONSTRAINT kysely_migration_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.policy_epoch
    ADD CONSTRAINT policy_epoch_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.private_keys
    ADD CONSTRAINT private_keys_pkey PRIMARY KEY (kid);
ALTER TABLE ONLY public.replay_keys
    ADD CONSTRAINT replay_keys_pkey PRIMARY KEY (issuer, jti);
ALTER TABLE ONLY public.revocations
    ADD CONSTRAINT revocations_pkey PRIMARY KEY (kid);
ALTER TABLE ONLY public.rings
    ADD CONSTRAINT rings_issuer_algorithm_key UNIQUE (issuer, algorithm);
ALTER TABLE ONLY public.rings
    ADD CONSTRAINT rings_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.service
    ADD CONSTRAINT service_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.service_privileges
    ADD CONSTRAINT service_privileges_pkey PRIMARY KEY (relation);
ALTER TABLE ONLY public.signing_keys
    ADD CONSTRAINT signing_keys_pkey PRIMARY KEY (kid);
ALTER TABLE ONLY public.verifications
    ADD CONSTRAINT verifications_pkey PRIMARY KEY (connection);
ALTER TABLE ONLY public.workloads
    ADD CONSTRAINT workloads_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.workloads
    ADD CONSTRAINT workloads_slug_key UNIQUE (slug);
CREATE INDEX audit_actor ON ONLY public.audit USING btree (actor, at) WHERE (actor IS NOT NULL);
CREATE INDEX audit_2026_11_actor_at_idx ON public.audit_2026_11 USING btree (actor, at) WHERE (actor IS NOT NULL);
CREATE INDEX audit_at ON ONLY public.audit USING btree (at, stream, seq);
CREATE INDEX audit_2026_11_at_stream_seq_idx ON public.audit_2026_11 USING btree (at, stream, seq);
CREATE INDEX audit_connection ON ONLY public.audit USING btree (connection, at) WHERE (connection IS NOT NULL);
CREATE INDEX audit_2026_11_connection_at_idx ON public.audit_2026_11 USING btree (connection, at) WHERE (connection IS NOT NULL);
CREATE INDEX audit_exchange ON ONLY public.audit USING btree (exchange) WHERE (exchange IS NOT NULL);
CREATE INDEX audit_2026_11_exchange_idx ON public.audit_2026_11 USING btree (exchange) WHERE (exchange IS NOT NULL);
CREATE INDEX audit_kind ON ONLY public.audit USING btree (kind, at);
CREATE INDEX audit_2026_11_kind_at_idx ON public.audit_2026_11 USING btree (kind, at);
CREATE INDEX audit_workload ON ONLY public.audit USING btree (workload, at) WHERE (workload IS NOT NULL);
CREATE INDEX audit_2026_11_workload_at_idx ON public.audit_2026_11 USING btree (workload, at) WHERE (workload IS NOT NULL);
CREATE INDEX audit_2026_12_actor_at_idx ON public.audit_2026_12 USING btree (actor, at) WHERE (actor IS NOT NULL);
CREATE INDEX audit_2026_12_at_stream_seq_idx ON public.audit_2026_12 USING btree (at, stream, seq);
CREATE INDEX audit_2026_12_connection_at_idx ON public.audit_2026_12 USING btree (connection, at) WHERE (connection IS NOT NULL);
CREATE INDEX audit_2026_12_exchange_idx ON public.audit_2026_12 USING btree (exchange) WHERE (exchange IS NOT NULL);
CREATE INDEX audit_2026_12_kind_at_idx ON public.audit_2026_12 USING btree (kind, at);
CREATE INDEX audit_2026_12_workload_at_idx ON public.audit_2026_12 USING btree (workload, at) WHERE (workload IS NOT NULL);
CREATE INDEX audit_2027_01_actor_at_idx ON public.audit_2027_01 USING btree (actor, at) WHERE (actor IS NOT NULL);
CREATE INDEX audit_2027_01_at_stream_seq_idx ON public.audit_2027_01 USING btree (at, stream, seq);
CREATE INDEX audit_2027_01_connection_at_idx ON public.audit_2027_01 USING btree (connection, at) WHERE (connection IS NOT NULL);
CREATE INDEX audit_2027_01_exchange_idx ON public.audit_2027_01 USING btree (exchange) WHERE (exchange IS NOT NULL);
CREATE INDEX audit_2027_01_kind_at_idx ON public.audit_2027_01 USING btree (kind, at);
CREATE INDEX audit_2027_01_workload_at_idx ON public.audit_2027_01 USING btree (workload, at) WHERE (workload IS NOT NULL);
CREATE INDEX connections_labels ON public.connections USING gin (labels jsonb_path_ops);
CREATE INDEX connections_tenant ON public.connections USING btree (tenant, id);
CREATE INDEX grants_selector ON public.grants USING btree (selector_kind, selector_value);
CREATE INDEX idempotency_keys_created ON public.idempotency_keys USING btree (created_at);
CREATE INDEX private_keys_destroy ON public.private_keys USING btree (destroy_at) WHERE (destroy_at IS NOT NULL);
CREATE INDEX private_keys_kek ON public.private_keys USING btree (kek);
CREATE INDEX replay_keys_expires ON public.replay_keys USING btree (expires_at);
CREATE INDEX rings_changed ON public.rings USING btree (changed_xid);
CREATE INDEX rings_next_rotation ON public.rings USING btree (next_rotation_at);
CREATE INDEX signing_keys_ring ON public.signing_keys USING btree (ring);
CREATE INDEX verifications_next ON public.verifications USING btree (next_at);
ALTER INDEX public.audit_actor ATTACH PARTITION public.audit_2026_11_actor_at_idx;
ALTER INDEX public.audit_at ATTACH PARTITION public.audit_2026_11_at_stream_seq_idx;
ALTER INDEX public.audit_connection ATTACH PARTITION public.audit_2026_11_connection_at_idx;
ALTER INDEX public.audit_exchange ATTACH PARTITION public.audit_2026_11_exchange_idx;
ALTER INDEX public.audit_kind ATTACH PARTITION public.audit_2026_11_kind_at_idx;
ALTER INDEX public.audit_pkey ATTACH PARTITION public.audit_2026_11_pkey;
ALTER INDEX public.audit_workload ATTACH PARTITION public.audit_2026_11_workload_at_idx;
ALTER INDEX public.audit_actor ATTACH PARTITION public.audit_2026_12_actor_at_idx;
ALTER INDEX public.audit_at ATTACH PARTITION public.audit_2026_12_at_stream_seq_idx;
ALTER INDEX public.audit_connection ATTACH PARTITION public.audit_2026_12_connection_at_idx;
ALTER INDEX public.audit_exchange ATTACH PARTITION public.audit_2026_12_exchange_idx;
ALTER INDEX public.audit_kind ATTACH PARTITION public.audit_2026_12_kind_at_idx;
ALTER INDEX public.audit_pkey ATTACH PARTITION public.audit_2026_12_pkey;
ALTER INDEX public.audit_workload ATTACH PARTITION public.audit_2026_12_workload_at_idx;
ALTER INDEX public.audit_actor ATTACH PARTITION public.audit_2027_01_actor_at_idx;
ALTER INDEX public.audit_at ATTACH PARTITION public.audit_2027_01_at_stream_seq_idx;
ALTER INDEX public.audit_connection ATTACH PARTITION public.audit_2027_01_connection_at_idx;
ALTER INDEX public.audit_exchange ATTACH PARTITION public.audit_2027_01_exchange_idx;
ALTER INDEX public.audit_kind ATTACH PARTITION public.audit_2027_01_kind_at_idx;
ALTER INDEX public.audit_pkey ATTACH PARTITION public.audit_2027_01_pkey;
ALTER INDEX public.audit_workload ATTACH PARTITION public.audit_2027_01_workload_at_idx;
ALTER TABLE ONLY public.activations
    ADD CONSTRAINT activations_kid_fkey FOREIGN KEY (kid) REFERENCES public.signing_keys(kid);
ALTER TABLE ONLY public.activations
    ADD CONSTRAINT activations_ring_fkey FOREIGN KEY (ring) REFERENCES public.rings(id);
ALTER TABLE ONLY public.aws_connections
    ADD CONSTRAINT aws_connections_connection_fkey FOREIGN KEY (connection) REFERENCES public.connections(id);
ALTER TABLE ONLY public.connections
    ADD CONSTRAINT connections_issuer_fkey FOREIGN KEY (issuer) REFERENCES public.issuers(id);
ALTER TABLE ONLY public.grants
    ADD CONSTRAINT grants_workload_fkey FOREIGN KEY (workload) REFERENCES public.workloads(id);
ALTER TABLE ONLY public.holds
    ADD CONSTRAINT holds_ring_fkey FOREIGN KEY (ring) REFERENCES public.rings(id);
ALTER TABLE ONLY public.private_keys
    ADD CONSTRAINT private_keys_kid_fkey FOREIGN KEY (kid) REFERENCES public.signing_keys(kid);
ALTER TABLE ONLY public.revocations
    ADD CONSTRAINT revocations_kid_fkey FOREIGN KEY (kid) REFERENCES public.signing_keys(kid);
ALTER TABLE ONLY public.rings
    ADD CONSTRAINT rings_issuer_fkey FOREIGN KEY (issuer) REFERENCES public.issuers(id);
ALTER TABLE ONLY public.signing_keys
    ADD CONSTRAINT signing_keys_ring_fkey FOREIGN KEY (ring) REFERENCES public.rings(id);
ALTER TABLE ONLY public.verifications
    ADD CONSTRAINT verifications_connection_fkey FOREIGN KEY (connection) REFERENCES public.connections(id);
