-- Recorded by scripts/record-schema.ts: change that, not this.

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
INSERT INTO public.activations VALUES ('platform:ES256', 0, 'KyOisL7g6IpGmxBFwmD3IYlsQJNNuq9I8FVy3LRGKNA', '2026-11-26 15:53:38.458+00', NULL, NULL, 'born with the ring', 'system');
INSERT INTO public.activations VALUES ('is_qzavodcwoohdhfj5scxx2av4ni:ES256', 0, 'cbApfyN6Apr4Z3wp6p97d0UQu-ypbKs58P0pFdcW2Z0', '2026-11-26 15:53:43.31+00', NULL, NULL, 'a test', 'host');
INSERT INTO public.activations VALUES ('is_ilqg3pg6fe6ao7bd46xlz6gsfq:ES256', 0, '2RuxgurTVMqUaM8iA1dsqbP-N5aXm5N-BqzXReO4RRY', '2026-11-26 15:53:47.055+00', NULL, NULL, 'a test', 'host');
INSERT INTO public.activations VALUES ('platform:ES256', 1, 'kqq-6AD_ne3CrkwGlukKztTwUVvxhLPenD5g_W4hKNY', '2026-11-26 15:53:49.03+00', '2026-11-26 16:13:55.03+00', '2026-11-26 16:08:55.03+00', 'a test', 'host');
INSERT INTO public.administrators VALUES ('ad_23jn34eyd5uydhl7yfb735uvpi', 'ann', '', 'active', '{audit:read}', '{"keys": [{"x": "4xyYJuyTdPZl7C7Fo_ZK-OjwUO1pj-takOElTTmMdn0", "y": "xoFYp0X6PpwzeWmhwJEzB1TK00He6H_MKVf9chiaBsc", "alg": "ES256", "crv": "P-256", "kid": "PKFAcnWhEysSWsKK01Fw6jEhgRp9bCchkF1b-fZ45S0", "kty": "EC", "created_at": "2026-11-26T15:53:47.892Z"}]}', 1, '2026-11-26 15:53:47.859997+00', '2026-11-26 15:53:47.859997+00');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_nrnmbtp247ejmdjtjazokyqu54', 0, '2026-11-26 15:53:38.587+00', 'stream.opened', NULL, NULL, NULL, NULL, '{"at":"2026-11-26T15:53:38.587Z","details":{"continues":null},"kind":"stream.opened","seq":0,"stream":"st_nrnmbtp247ejmdjtjazokyqu54","v":1}', '\x48177aaedefe3ccc1c2482c3966dbc42e4616d7fdda7b978e12fcfadd2134690');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_nrnmbtp247ejmdjtjazokyqu54', 1, '2026-11-26 15:53:38.587+00', 'key_policy.seeded', 'system', NULL, NULL, NULL, '{"actor":"system","at":"2026-11-26T15:53:38.587Z","details":{"clockError":1000,"oldestServed":5000,"oldestSigned":5000,"period":180000,"verifierCache":5000},"kind":"key_policy.seeded","seq":1,"stream":"st_nrnmbtp247ejmdjtjazokyqu54","v":1}', '\xe70ef69ec4b3c92de59bea03872df2a206c3c453c4e45ad482fa30517e53f0a1');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_nrnmbtp247ejmdjtjazokyqu54', 2, '2026-11-26 15:53:38.587+00', 'issuer.created', 'system', NULL, NULL, NULL, '{"actor":"system","at":"2026-11-26T15:53:38.587Z","details":{"issuer":"platform","kids":["KyOisL7g6IpGmxBFwmD3IYlsQJNNuq9I8FVy3LRGKNA","kqq-6AD_ne3CrkwGlukKztTwUVvxhLPenD5g_W4hKNY"],"url":"http://127.0.0.1:46609"},"kind":"issuer.created","seq":2,"stream":"st_nrnmbtp247ejmdjtjazokyqu54","v":1}', '\x61e94e8b6821920a664e3ce41aced738badbc07975cfde83a4101918a0366b24');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_xgskw7og4ygur4fpljosv4w5mi', 0, '2026-11-26 15:53:42.65+00', 'stream.opened', NULL, NULL, NULL, NULL, '{"at":"2026-11-26T15:53:42.650Z","details":{"continues":null},"kind":"stream.opened","seq":0,"stream":"st_xgskw7og4ygur4fpljosv4w5mi","v":1}', '\x00908bc1eba4d4c2abb74766b63d5ff748f77806092a958cc12479e89225fab5');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_xgskw7og4ygur4fpljosv4w5mi', 1, '2026-11-26 15:53:42.65+00', 'token.minted', 'host', NULL, NULL, NULL, '{"actor":"host","at":"2026-11-26T15:53:42.650Z","details":{"as":"test","audience":"http://127.0.0.1:46609/v1","jti":"3cabfa4a-4b57-4a5b-abed-52dbfeb7acbf","kid":"KyOisL7g6IpGmxBFwmD3IYlsQJNNuq9I8FVy3LRGKNA","reason":"a test","request_id":"rq_jf72v6rrdjl7lwd2ahniibhvt4","scope":"connections:read connections:write workloads:read workloads:write administrators:read administrators:write grants:read grants:write keys:read keys:rotate keys:revoke audit:read service:seal"},"kind":"token.minted","seq":1,"stream":"st_xgskw7og4ygur4fpljosv4w5mi","v":1}', '\x533b5fde6a45ddd988a6a916548026c0cbb091434c901df8d6367f618adca5ca');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_nrnmbtp247ejmdjtjazokyqu54', 3, '2026-11-26 15:53:43.641+00', 'connection.created', 'host', NULL, 'cn_a27qjlwzqvsaerltdkbzrk4a3a', NULL, '{"actor":"host","at":"2026-11-26T15:53:43.641Z","connection":"cn_a27qjlwzqvsaerltdkbzrk4a3a","details":{"additions":[],"as":"test","issuer":"is_qzavodcwoohdhfj5scxx2av4ni","jti":"3cabfa4a-4b57-4a5b-abed-52dbfeb7acbf","labels":{"stage":"prod"},"name":"A customer","permission_set":"administrator","reason":"a test","reference":"acme","request_id":"rq_3ti7yr3qy3eivdcb74aancv62e","role_arn":"arn:aws:iam::111122223333:role/countersign-a27qjlwzqv","subject":"cn_a27qjlwzqvsaerltdkbzrk4a3a","tenant":"default"},"kind":"connection.created","seq":3,"stream":"st_nrnmbtp247ejmdjtjazokyqu54","v":1}', '\x00f4d6baefba6f0bfbdeb95c138d60a6e0578703ad5e52dad62b1080ebfc35e3');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_nrnmbtp247ejmdjtjazokyqu54', 4, '2026-11-26 15:53:44.088+00', 'connection.verification_requested', 'host', NULL, 'cn_a27qjlwzqvsaerltdkbzrk4a3a', NULL, '{"actor":"host","at":"2026-11-26T15:53:44.088Z","connection":"cn_a27qjlwzqvsaerltdkbzrk4a3a","details":{"as":"test","by":"template","jti":"3cabfa4a-4b57-4a5b-abed-52dbfeb7acbf","reason":"a test","request_id":"rq_hws2ev5l5bmwpjjoodie4ehr24"},"kind":"connection.verification_requested","seq":4,"stream":"st_nrnmbtp247ejmdjtjazokyqu54","v":1}', '\xf16e034de55b7cf2880d0f0fe30b95060561d4c6c449b883a8a5cda989f60c88');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_xgskw7og4ygur4fpljosv4w5mi', 2, '2026-11-26 15:53:44.883+00', 'connection.verification_intent', 'system', NULL, 'cn_a27qjlwzqvsaerltdkbzrk4a3a', NULL, '{"actor":"system","at":"2026-11-26T15:53:44.883Z","connection":"cn_a27qjlwzqvsaerltdkbzrk4a3a","details":{"jti":"9f55cbf2-10a1-4175-a303-188d67a346aa","kid":"cbApfyN6Apr4Z3wp6p97d0UQu-ypbKs58P0pFdcW2Z0"},"kind":"connection.verification_intent","seq":2,"stream":"st_xgskw7og4ygur4fpljosv4w5mi","v":1}', '\x638909f6bf710e9ea226035f051ce44f863092742b68e4c6ce6d6ce4164b8068');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_nrnmbtp247ejmdjtjazokyqu54', 5, '2026-11-26 15:53:45.913+00', 'connection.verification_requested', 'host', NULL, 'cn_a27qjlwzqvsaerltdkbzrk4a3a', NULL, '{"actor":"host","at":"2026-11-26T15:53:45.913Z","connection":"cn_a27qjlwzqvsaerltdkbzrk4a3a","details":{"as":"test","by":"verify","jti":"3cabfa4a-4b57-4a5b-abed-52dbfeb7acbf","reason":"a test","request_id":"rq_s47kmvsxj4oonbunybyhy7gtbi"},"kind":"connection.verification_requested","seq":5,"stream":"st_nrnmbtp247ejmdjtjazokyqu54","v":1}', '\xda7c6085ba05a78d884f93433b70e5be333e61968c063a82dce83befb8e942fd');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_nrnmbtp247ejmdjtjazokyqu54', 6, '2026-11-26 15:53:46.687+00', 'connection.verified', 'system', NULL, 'cn_a27qjlwzqvsaerltdkbzrk4a3a', NULL, '{"actor":"system","at":"2026-11-26T15:53:46.687Z","connection":"cn_a27qjlwzqvsaerltdkbzrk4a3a","details":{"access_key_id":"ASIAPKXG2PQP2SZFTUSO","jti":"9f55cbf2-10a1-4175-a303-188d67a346aa","kid":"cbApfyN6Apr4Z3wp6p97d0UQu-ypbKs58P0pFdcW2Z0","pinned_role_id":null,"reason":"","request_id":"8822dfdc-cfc0-4a56-84d8-4b285a315e70","role_id":"AROACLMIL5UFK6225PHIZ","state":"active","was":"verifying"},"kind":"connection.verified","seq":6,"stream":"st_nrnmbtp247ejmdjtjazokyqu54","v":1}', '\x541c8184c6aa7aa1426dcb885db8f7cba71a42ac37f93552dd417032632b6617');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_nrnmbtp247ejmdjtjazokyqu54', 7, '2026-11-26 15:53:47.279+00', 'connection.created', 'host', NULL, 'cn_wg4vcw7tfabuwchjr56imxax3i', NULL, '{"actor":"host","at":"2026-11-26T15:53:47.279Z","connection":"cn_wg4vcw7tfabuwchjr56imxax3i","details":{"additions":["s3"],"as":"test","issuer":"is_ilqg3pg6fe6ao7bd46xlz6gsfq","jti":"3cabfa4a-4b57-4a5b-abed-52dbfeb7acbf","labels":{},"name":"Never connected","permission_set":"core","reason":"a test","reference":null,"request_id":"rq_xm6m2pdcr554ggn25s3tcfcaj4","role_arn":"arn:aws:iam::444455556666:role/countersign-wg4vcw7tfa","subject":"cn_wg4vcw7tfabuwchjr56imxax3i","tenant":"default"},"kind":"connection.created","seq":7,"stream":"st_nrnmbtp247ejmdjtjazokyqu54","v":1}', '\xe7bf1f39e8e458f2fcbb4da1bc08a75a7fa4e1a0d935b7e7751967c90cc6933e');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_nrnmbtp247ejmdjtjazokyqu54', 8, '2026-11-26 15:53:47.597+00', 'connection.verification_requested', 'host', NULL, 'cn_wg4vcw7tfabuwchjr56imxax3i', NULL, '{"actor":"host","at":"2026-11-26T15:53:47.597Z","connection":"cn_wg4vcw7tfabuwchjr56imxax3i","details":{"as":"test","by":"template","jti":"3cabfa4a-4b57-4a5b-abed-52dbfeb7acbf","reason":"a test","request_id":"rq_4lfs3h742ceizsff2m6w5ktvse"},"kind":"connection.verification_requested","seq":8,"stream":"st_nrnmbtp247ejmdjtjazokyqu54","v":1}', '\x85ff8be9ff1c78c6705a2a58e9ad81306ced82d79063e3ca09a92a3ddf068db2');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_xgskw7og4ygur4fpljosv4w5mi', 3, '2026-11-26 15:53:47.955+00', 'connection.verification_intent', 'system', NULL, 'cn_wg4vcw7tfabuwchjr56imxax3i', NULL, '{"actor":"system","at":"2026-11-26T15:53:47.955Z","connection":"cn_wg4vcw7tfabuwchjr56imxax3i","details":{"jti":"e9fe75ec-1812-4ef2-b95e-9bc41bfcb49b","kid":"2RuxgurTVMqUaM8iA1dsqbP-N5aXm5N-BqzXReO4RRY"},"kind":"connection.verification_intent","seq":3,"stream":"st_xgskw7og4ygur4fpljosv4w5mi","v":1}', '\xca18e55f84212c5f359f5cdc49fae5945443c23360aa9b1e854667049fc6aff8');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_nrnmbtp247ejmdjtjazokyqu54', 9, '2026-11-26 15:53:47.959+00', 'administrator.created', 'host', NULL, NULL, NULL, '{"actor":"host","at":"2026-11-26T15:53:47.959Z","details":{"administrator":"ad_23jn34eyd5uydhl7yfb735uvpi","as":"test","description":"","jti":"3cabfa4a-4b57-4a5b-abed-52dbfeb7acbf","kids":["PKFAcnWhEysSWsKK01Fw6jEhgRp9bCchkF1b-fZ45S0"],"reason":"a test","request_id":"rq_3c6dbueibb6ezft7ar3qvideeq","scopes":["audit:read"],"slug":"ann","state":"active","version":1},"kind":"administrator.created","seq":9,"stream":"st_nrnmbtp247ejmdjtjazokyqu54","v":1}', '\x112600bafe1b519b6c544bafd1b29ff431f00b7e064e00a1a0dfc95ad93bc9ed');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_nrnmbtp247ejmdjtjazokyqu54', 10, '2026-11-26 15:53:48.119+00', 'connection.verification_failed', 'system', NULL, 'cn_wg4vcw7tfabuwchjr56imxax3i', NULL, '{"actor":"system","at":"2026-11-26T15:53:48.119Z","connection":"cn_wg4vcw7tfabuwchjr56imxax3i","details":{"code":"InvalidIdentityToken","jti":"e9fe75ec-1812-4ef2-b95e-9bc41bfcb49b","kid":"2RuxgurTVMqUaM8iA1dsqbP-N5aXm5N-BqzXReO4RRY","pinned_role_id":null,"reason":"","request_id":"6e0002a7-cff7-4b58-8d89-99fa719ac30c","side":"account_owner","state":"verifying","was":"verifying"},"kind":"connection.verification_failed","seq":10,"stream":"st_nrnmbtp247ejmdjtjazokyqu54","v":1}', '\x361d5495f5a10148e50b9babc11b2f3386e89c21addc044dd1c76e8da3d9b4cf');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_nrnmbtp247ejmdjtjazokyqu54', 11, '2026-11-26 15:53:48.269+00', 'workload.created', 'host', 'wl_hs5hgv3bjcdvjmgbcc3c2zkoeq', NULL, NULL, '{"actor":"host","at":"2026-11-26T15:53:48.269Z","details":{"as":"test","audiences":["https://ledger.example"],"description":"","jti":"3cabfa4a-4b57-4a5b-abed-52dbfeb7acbf","kids":["hPG_O5wOu9sJ2VCXqKXWZXVXuX2Ih5HdUNN4vzWB9YY"],"reason":"a test","request_id":"rq_l2j35rvxc3rvzzqxrxcoprutoa","scopes":[],"slug":"billing","state":"active","version":1},"kind":"workload.created","seq":11,"stream":"st_nrnmbtp247ejmdjtjazokyqu54","v":1,"workload":"wl_hs5hgv3bjcdvjmgbcc3c2zkoeq"}', '\xf379272fb6db3d2462e64b9ffe05961e38348777d0e6f16f12ef7bef46f8738e');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_nrnmbtp247ejmdjtjazokyqu54', 12, '2026-11-26 15:53:48.715+00', 'workload.created', 'host', 'wl_qyiwmetnujzmi32rr5c3mdudg4', NULL, NULL, '{"actor":"host","at":"2026-11-26T15:53:48.715Z","details":{"as":"test","audiences":[],"description":"","jti":"3cabfa4a-4b57-4a5b-abed-52dbfeb7acbf","kids":["ou9fc74m875E38K2C2fEJyYnXFmSzFbPH_1W0-lz644"],"reason":"a test","request_id":"rq_3ga5h6hr77hrtz6usepsjwtiue","scopes":[],"slug":"once","state":"active","version":1},"kind":"workload.created","seq":12,"stream":"st_nrnmbtp247ejmdjtjazokyqu54","v":1,"workload":"wl_qyiwmetnujzmi32rr5c3mdudg4"}', '\x17e1ec1b174905c05d09ca1a4d7e23299ee704d1d71c3ec4bb9861c414ddff81');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_nrnmbtp247ejmdjtjazokyqu54', 13, '2026-11-26 15:53:48.771+00', 'grant.created', 'host', 'wl_hs5hgv3bjcdvjmgbcc3c2zkoeq', 'cn_a27qjlwzqvsaerltdkbzrk4a3a', NULL, '{"actor":"host","at":"2026-11-26T15:53:48.771Z","connection":"cn_a27qjlwzqvsaerltdkbzrk4a3a","details":{"as":"test","grant":"gr_xqtgxd2nsqxv5x4xwymqenwmdm","jti":"3cabfa4a-4b57-4a5b-abed-52dbfeb7acbf","max_session_seconds":3600,"policy_arns":[],"purpose":"default","reason":"a test","request_id":"rq_lgkngzvmv2igyxbzsysenphpbi","selector":{"connection":"cn_a27qjlwzqvsaerltdkbzrk4a3a"},"session_policy":null,"tags":{},"version":1},"kind":"grant.created","seq":13,"stream":"st_nrnmbtp247ejmdjtjazokyqu54","v":1,"workload":"wl_hs5hgv3bjcdvjmgbcc3c2zkoeq"}', '\xe5678df9355631f87084c20e53c5a6d1993df2a19b701b85a0b3f0b9f65f103c');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_nrnmbtp247ejmdjtjazokyqu54', 14, '2026-11-26 15:53:48.876+00', 'grant.created', 'host', 'wl_hs5hgv3bjcdvjmgbcc3c2zkoeq', NULL, NULL, '{"actor":"host","at":"2026-11-26T15:53:48.876Z","details":{"as":"test","grant":"gr_zmamuquv2oapmzg2gyxbaw6ena","jti":"3cabfa4a-4b57-4a5b-abed-52dbfeb7acbf","max_session_seconds":1800,"policy_arns":[],"purpose":"labels","reason":"a test","request_id":"rq_uv5hlglywdltls5poo52yfbdxi","selector":{"label":"stage=prod"},"session_policy":null,"tags":{"team":"x"},"version":1},"kind":"grant.created","seq":14,"stream":"st_nrnmbtp247ejmdjtjazokyqu54","v":1,"workload":"wl_hs5hgv3bjcdvjmgbcc3c2zkoeq"}', '\x9b099c5ab8fd6c02650b0cf6d71a7dd528ba3324922733550d80fc766ca15065');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_xgskw7og4ygur4fpljosv4w5mi', 4, '2026-11-26 15:53:48.927+00', 'token.minted', 'wl_hs5hgv3bjcdvjmgbcc3c2zkoeq', 'wl_hs5hgv3bjcdvjmgbcc3c2zkoeq', 'cn_a27qjlwzqvsaerltdkbzrk4a3a', NULL, '{"actor":"wl_hs5hgv3bjcdvjmgbcc3c2zkoeq","at":"2026-11-26T15:53:48.927Z","connection":"cn_a27qjlwzqvsaerltdkbzrk4a3a","details":{"assertion_jti":"3e252473-1de2-420e-9950-696313693eb7","audience":"http://127.0.0.1:46609/v1/connections/cn_a27qjlwzqvsaerltdkbzrk4a3a/credentials","client_kid":"hPG_O5wOu9sJ2VCXqKXWZXVXuX2Ih5HdUNN4vzWB9YY","jti":"98oxZDVvZMxKUAzuZmM3-F2s3rs44XelgBLHp6vNwKM","kid":"KyOisL7g6IpGmxBFwmD3IYlsQJNNuq9I8FVy3LRGKNA","request_id":"rq_4en3b6dpfaxatxjouanhctuse4"},"kind":"token.minted","seq":4,"stream":"st_xgskw7og4ygur4fpljosv4w5mi","v":1,"workload":"wl_hs5hgv3bjcdvjmgbcc3c2zkoeq"}', '\x4a08fa59c79f288a898c7f63771edfcc0f67eb386353c4671a5ba5000b130d46');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_xgskw7og4ygur4fpljosv4w5mi', 5, '2026-11-26 15:53:48.96+00', 'exchange.intent', 'wl_hs5hgv3bjcdvjmgbcc3c2zkoeq', 'wl_hs5hgv3bjcdvjmgbcc3c2zkoeq', 'cn_a27qjlwzqvsaerltdkbzrk4a3a', 'ex_nxfpjeovj3hixmwafzr4jtlhny', '{"actor":"wl_hs5hgv3bjcdvjmgbcc3c2zkoeq","at":"2026-11-26T15:53:48.960Z","connection":"cn_a27qjlwzqvsaerltdkbzrk4a3a","details":{"duration_seconds":3600,"generation":3,"grant":"gr_xqtgxd2nsqxv5x4xwymqenwmdm","grant_version":1,"jti":"639f99b5-67a7-44c8-b4da-ac28b3d735bc","kid":"cbApfyN6Apr4Z3wp6p97d0UQu-ypbKs58P0pFdcW2Z0","purpose":"default","request_id":"rq_l3mtperbzvathmnji53nghyjba","role_arn":"arn:aws:iam::111122223333:role/countersign-a27qjlwzqv","token_jti":"98oxZDVvZMxKUAzuZmM3-F2s3rs44XelgBLHp6vNwKM"},"exchange":"ex_nxfpjeovj3hixmwafzr4jtlhny","kind":"exchange.intent","seq":5,"stream":"st_xgskw7og4ygur4fpljosv4w5mi","v":1,"workload":"wl_hs5hgv3bjcdvjmgbcc3c2zkoeq"}', '\x51366c85b26df7a1b79f13bf743bda8cd4ef27ef37f24ffaf91eaca2a32f5f29');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_xgskw7og4ygur4fpljosv4w5mi', 6, '2026-11-26 15:53:48.985+00', 'exchange.outcome', 'wl_hs5hgv3bjcdvjmgbcc3c2zkoeq', 'wl_hs5hgv3bjcdvjmgbcc3c2zkoeq', 'cn_a27qjlwzqvsaerltdkbzrk4a3a', 'ex_nxfpjeovj3hixmwafzr4jtlhny', '{"actor":"wl_hs5hgv3bjcdvjmgbcc3c2zkoeq","at":"2026-11-26T15:53:48.985Z","connection":"cn_a27qjlwzqvsaerltdkbzrk4a3a","details":{"access_key_id":"ASIAQ4G5KQ3UHN6JP3FM","assumed_role_id":"AROACLMIL5UFK6225PHIZ:billing-hs5hgv3b","expires_at":"2026-11-26T16:53:48.000Z","outcome":"handed_out","packed_policy_size":25,"request_id":"rq_l3mtperbzvathmnji53nghyjba","sts_request_id":"e8b9b746-4a4a-46b0-ae8b-4aa108a1287c"},"exchange":"ex_nxfpjeovj3hixmwafzr4jtlhny","kind":"exchange.outcome","seq":6,"stream":"st_xgskw7og4ygur4fpljosv4w5mi","v":1,"workload":"wl_hs5hgv3bjcdvjmgbcc3c2zkoeq"}', '\xc4be29b0bef8b6e05260cf9e266af2d26faabd7da393408f01c0b2415f5cd2ce');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_nrnmbtp247ejmdjtjazokyqu54', 15, '2026-11-26 15:53:49.056+00', 'key.rotated', 'host', NULL, NULL, NULL, '{"actor":"host","at":"2026-11-26T15:53:49.056Z","details":{"as":"test","jti":"3cabfa4a-4b57-4a5b-abed-52dbfeb7acbf","kid":"kqq-6AD_ne3CrkwGlukKztTwUVvxhLPenD5g_W4hKNY","predecessor":"KyOisL7g6IpGmxBFwmD3IYlsQJNNuq9I8FVy3LRGKNA","predecessor_removed_at":"2026-11-26T16:13:55.030Z","reason":"a test","request_id":"rq_kt5q5uamjr6ls32sp3gyvxdtmu","ring":"platform:ES256","signs_from":"2026-11-26T15:53:49.030Z","standby":"sjhl0QBNkSMmZGSbDnfxb7uFvz7tSgvowluBBj_woLQ"},"kind":"key.rotated","seq":15,"stream":"st_nrnmbtp247ejmdjtjazokyqu54","v":1}', '\x741d923480639495c8f9c97ba9da72d3acbb9a4aa7e0fd15b3b866fbb9519f48');
INSERT INTO public.audit_2026_11 VALUES ('2026-11-01', 'st_nrnmbtp247ejmdjtjazokyqu54', 16, '2026-11-26 15:53:49.295+00', 'key.revoked', 'host', NULL, NULL, NULL, '{"actor":"host","at":"2026-11-26T15:53:49.295Z","details":{"as":"test","forgeries_until":"2026-11-26T15:53:59.282Z","jti":"3cabfa4a-4b57-4a5b-abed-52dbfeb7acbf","kid":"KyOisL7g6IpGmxBFwmD3IYlsQJNNuq9I8FVy3LRGKNA","reason":"a test","request_id":"rq_c7sgkj6kxrjl3wsf3wiovtecye","revoked_at":"2026-11-26T15:53:49.282Z","ring":"platform:ES256","was":"verify_only"},"kind":"key.revoked","seq":16,"stream":"st_nrnmbtp247ejmdjtjazokyqu54","v":1}', '\x359ea29fa925039bac704d3492fb4db7a4cc16b00325d1fccbc38a39d5f96c3b');
INSERT INTO public.aws_connections VALUES ('cn_a27qjlwzqvsaerltdkbzrk4a3a', '111122223333', 'aws', 'us-east-1', 'countersign-a27qjlwzqv', 'arn:aws:iam::111122223333:role/countersign-a27qjlwzqv', 'administrator', '{}', NULL, 'AROACLMIL5UFK6225PHIZ', '2026-11-26 15:53:46.395762+00');
INSERT INTO public.aws_connections VALUES ('cn_wg4vcw7tfabuwchjr56imxax3i', '444455556666', 'aws', 'us-east-1', 'countersign-wg4vcw7tfa', 'arn:aws:iam::444455556666:role/countersign-wg4vcw7tfa', 'core', '{s3}', NULL, NULL, NULL);
INSERT INTO public.connections VALUES ('cn_a27qjlwzqvsaerltdkbzrk4a3a', 'acme', 'A customer', 'default', '{"stage": "prod"}', 'aws', 'is_qzavodcwoohdhfj5scxx2av4ni', 'cn_a27qjlwzqvsaerltdkbzrk4a3a', 'ES256', 'active', '', '2026-11-26 15:53:46.395762+00', 3600, false, false, 3, '2026-11-26 15:53:43.249987+00', '2026-11-26 15:53:46.395762+00');
INSERT INTO public.connections VALUES ('cn_wg4vcw7tfabuwchjr56imxax3i', NULL, 'Never connected', 'default', '{}', 'aws', 'is_ilqg3pg6fe6ao7bd46xlz6gsfq', 'cn_wg4vcw7tfabuwchjr56imxax3i', 'ES256', 'verifying', '', '2026-11-26 15:53:47.496584+00', 3600, false, false, 2, '2026-11-26 15:53:47.047932+00', '2026-11-26 15:53:47.496584+00');
INSERT INTO public.grants VALUES ('gr_xqtgxd2nsqxv5x4xwymqenwmdm', 'wl_hs5hgv3bjcdvjmgbcc3c2zkoeq', 'connection', 'cn_a27qjlwzqvsaerltdkbzrk4a3a', NULL, 'default', 3600, NULL, '{}', '{}', 1, '2026-11-26 15:53:48.756345+00', '2026-11-26 15:53:48.756345+00');
INSERT INTO public.grants VALUES ('gr_zmamuquv2oapmzg2gyxbaw6ena', 'wl_hs5hgv3bjcdvjmgbcc3c2zkoeq', 'label', 'stage=prod', '{"stage": "prod"}', 'labels', 1800, NULL, '{}', '{"team": "x"}', 1, '2026-11-26 15:53:48.835547+00', '2026-11-26 15:53:48.835547+00');
INSERT INTO public.holds VALUES ('is_qzavodcwoohdhfj5scxx2av4ni:ES256', 0, '2026-11-26 15:53:49.350854+00', '2026-11-26 15:53:49.350854+00', 'recorded', 'host');
INSERT INTO public.idempotency_keys VALUES ('host', 'recorded', '\x663fe9696ecdd50f716f4a9635d81a6781ad23b58abad300267703cf187b269c', 201, '{"id":"wl_qyiwmetnujzmi32rr5c3mdudg4","slug":"once","description":"","state":"active","scopes":[],"audiences":[],"version":1,"keys":[{"kid":"ou9fc74m875E38K2C2fEJyYnXFmSzFbPH_1W0-lz644","alg":"ES256","jwk":{"x":"YXwvXzTf5tOVj-buR3xyn9P-gnuOQET8-uGK-e7sb2o","y":"1-GBxcJq8I2feG_HOVkapsWO7FKp0tLeH-GaYT6jwo0","crv":"P-256","kty":"EC"},"created_at":"2026-11-26T15:53:48.706Z","expires_at":null}],"created_at":"2026-11-26T15:53:48.704Z","updated_at":"2026-11-26T15:53:48.704Z"}', '2026-11-26 15:53:48.704658+00');
INSERT INTO public.issuers VALUES ('platform', 'platform', '2026-11-26 15:53:38.440992+00');
INSERT INTO public.issuers VALUES ('is_qzavodcwoohdhfj5scxx2av4ni', 'connection', '2026-11-26 15:53:43.249987+00');
INSERT INTO public.issuers VALUES ('is_ilqg3pg6fe6ao7bd46xlz6gsfq', 'connection', '2026-11-26 15:53:47.047932+00');
INSERT INTO public.key_policies VALUES (1, 5, 5, 5, 1, 180, '2026-11-26 15:53:38.447+00', 'seeded from the configuration', 'system');
INSERT INTO public.kysely_migration VALUES ('0001_base', '2026-11-26T15:53:38.183Z');
INSERT INTO public.kysely_migration_lock VALUES ('migration_lock', 0);
INSERT INTO public.policy_epoch VALUES (1, 12);
INSERT INTO public.private_keys VALUES ('kqq-6AD_ne3CrkwGlukKztTwUVvxhLPenD5g_W4hKNY', '76bbe1a23d3d8108', '\x01003c0bd9b4f1e31e4830c2a2f644b75ab8cc005c1d294f6723f58573f4acd3d64cb41e4d92021288b74ebaa7681d91d0d8332260646f63009cfdae3ac5d15b51ec62d2bf799976414410a83c33551a8918c8a9c7db5e24f8128bb8d4bea4a1c3cc58006d33925ff723aec6bfb3543f4cf873189a1d1c86e6122e2d0616cbabec170340621234fcc519bde8aaef07d504e91f1cda842f7c6e5f39e63ac787b81f0153438cce1814ec42aee6422e5203cf3762336c4cda0e5c6c0d1e4a1c98254d27c9400039ec9a476beaa8ac25df5fec472fc63d73f64c354f04ad023a559ff98436cd5e', NULL);
INSERT INTO public.private_keys VALUES ('cbApfyN6Apr4Z3wp6p97d0UQu-ypbKs58P0pFdcW2Z0', '76bbe1a23d3d8108', '\x01003c59397c2a2f4c671e6c88f71b9f95266287be1ed0a28eef437b77c192787f34f7a4bf501d972aacef2770c75507337d33e5643bee17906bc91c7baff5feb4c828de6d401173a9cd3f3f4c43e819b28d9ac3474d4f7922db11729df5c90c502537250dc91b39b1dda50274c0013f931ab4ad8ee79a8131059739b95dca50aee325653d5fbf50b27c48a95ff2db9c0b53af418fb218690824483b11c1e9a0047810632e07a12c28ca257eb977c208d76e2d9a4d8668b1f5bc48287b313bf1c39b7fc016bbb37114a3a6f6fa243f49df3ebedea757c8a7dcab8191593e04cdf03b6c3cf8', NULL);
INSERT INTO public.private_keys VALUES ('2s_5yltN4HPpwbeda6eiucDMMAVfJoM6eRqTkHJkyPM', '76bbe1a23d3d8108', '\x01003cd65bd8dcd2b194c996559f267196fc9663008cc22249688b90f1b95ad0f77a1958b333cb1d2f35681acfd87b480bfccd6db171eaccf0741aa0c8a5ab35e3ddbf3d95d57ae17ca573f9035cf05dbd0b21c2beda4c7e8784b991b2efe33801b4f9b01daa57adb627fcd9143e6d5704f3e5170b043ec7b86b2e3cdf4e2f75f667267a1008c9ce253697c9cc21eec2e0a3ca24d97bb4cc77bc17b0e254e4ed1c3946c41dd97ce81c859a811944ba54e988adbb56ef982d30e4de76d217d7f25502042ca6c62141d28cbca23cc5db94acf2d39e35d5c4d06dfe8b0fa667a828da72c4a960', NULL);
INSERT INTO public.private_keys VALUES ('2RuxgurTVMqUaM8iA1dsqbP-N5aXm5N-BqzXReO4RRY', '76bbe1a23d3d8108', '\x01003c82ac3542d2406f22c139ce3d12d37630daa1c905c520241bb9e70e98ba3a952f031ba836aec58873383ffa919d7479e1053f893472786eb5703491f3c8290454860bceaa42b1337ab7f4e056a49da73aa290e7ed48455e25309c8db651bb2c393ec84e01e17885fe8175a453b57c0e4e6d6aa56fcb2ad230b8b19d552ad75d91fa33ef3b8b95b4d0b15aeeb11bf2e5e1b830fecc9a1d48c01836de481e89432204b79fb7cdacacbaac38da7f6440c2d7ea7a0819edd36be7938fd7387cd0d45a9393a4fb4f90730bc044246e61bfa7935e90654a504c10313c221aa38dcb81ddb2e5', NULL);
INSERT INTO public.private_keys VALUES ('0N-QdBEsgpDR__dlCnz8TmjTxOEeeDF2AzN3eS8vkPM', '76bbe1a23d3d8108', '\x01003c897f82bab82cde452d0540fc01f0ecaf2dfab08e527decdb2de5e302c7fc5afc0315ed42e18815f0fe855f541e61b7f1f86d4f6fd7210cff7720c028a5469949b122a1ef789485b177a4030a2d7f0a807627477e6dc69c2978124a84cc26c1b50d5608742adeef6eb6d34256a1a9072d9824af6da51cb383ddddfd7e72887841f749a74e4503ea9998790d39aedab5f0ff008ff43038745929445e5e16159bc635764f8f641e2eb45bce9b7c72e0a97fc219bafea061003a566a93246c38dd1e2d7bd99c9a1a5a18688cfc4b6c31861453dc91442a9c89e1d48d6e2a9332f2a89d86', NULL);
INSERT INTO public.private_keys VALUES ('sjhl0QBNkSMmZGSbDnfxb7uFvz7tSgvowluBBj_woLQ', '76bbe1a23d3d8108', '\x01003ca68c3a0205e6dd257e9a976ccdc4255ef553d0038583d1d794a9c9f1aa3b13d7dfd5f134b7895f41b2faaa6ba1a9e6bf204833f94f75398606f1c359f02e12d4313147aa4d68a3ae887d9531faec23b11924beb565c00a1649167099a68ef8d2d7547187f4094db674013a35bce6b8229ad8dbd2d2f9d71ce19b2393621fb9488584589a61db51410ced28f78720edbad7d232c5f38eb0a377d109711bfc2960cb1c35ab98cad1897e7f6e93e788e8153e61a86c0269b860d1a7888c3f8cca25901644f9576eab2dbcbf52a4470c4a666571d44c25a6a30848b6af3620ebc9da8786', NULL);
INSERT INTO public.private_keys VALUES ('KyOisL7g6IpGmxBFwmD3IYlsQJNNuq9I8FVy3LRGKNA', '76bbe1a23d3d8108', '\x01003c6df698ebfd3b3aef89491d5a42ba9289533413be82177dbeb880d363bf0fd5d7147e6c275bd0b55898487cd749600983ded2ed37c67fcfc757131fe8d12f2e40f48938ba84f4be828cb91b0844dea9ec1fc27ba8de730e88e81e7798ad63e441d69b2f965855eab6b0d9555ff05e04799ea90b3548241171f76ce3cc78a03cd79c78d651b9abff7e6d75e75a83e5ec2d0f3a41b3ea097624568da6bf03bfe24535d735fd6c07e73d1da498a8356d733b90b49a5491388b01b863e2434304ef943122e63fa8783c8820ff1ec1818b52ee9e7498727d9f580d7d6024d3ee4c799df9f4', '2026-11-26 15:54:00.282+00');
INSERT INTO public.replay_keys VALUES ('wl_hs5hgv3bjcdvjmgbcc3c2zkoeq', '3e252473-1de2-420e-9950-696313693eb7', '2026-11-26 15:54:53+00');
INSERT INTO public.revocations VALUES ('KyOisL7g6IpGmxBFwmD3IYlsQJNNuq9I8FVy3LRGKNA', '2026-11-26 15:53:49.282+00', false, 'a test', 'host');
INSERT INTO public.rings VALUES ('is_qzavodcwoohdhfj5scxx2av4ni:ES256', 'is_qzavodcwoohdhfj5scxx2av4ni', 'ES256', 'web_identity_token', '2026-11-26 15:53:43.31+00', '2026-11-26 15:56:43.31+00', '734');
INSERT INTO public.rings VALUES ('is_ilqg3pg6fe6ao7bd46xlz6gsfq:ES256', 'is_ilqg3pg6fe6ao7bd46xlz6gsfq', 'ES256', 'web_identity_token', '2026-11-26 15:53:47.055+00', '2026-11-26 15:56:47.055+00', '740');
INSERT INTO public.rings VALUES ('platform:ES256', 'platform', 'ES256', 'workload_token', '2026-11-26 15:53:38.458+00', '2026-11-26 15:56:49.03+00', '754');
INSERT INTO public.service VALUES (1, 'http://127.0.0.1:46609', '2026-11-26 15:53:38.440992+00');
INSERT INTO public.signing_keys VALUES ('KyOisL7g6IpGmxBFwmD3IYlsQJNNuq9I8FVy3LRGKNA', 'platform:ES256', '2026-11-26 15:53:38.458+00', true, '\xa3de0e0b0c0559a5545abd8dbfd9190f932596d2f477ab92f43fd620e55db825e06e530c51faa35374a5148a1ccd019d8e3e451343d46011da6dc51a240fba4e');
INSERT INTO public.signing_keys VALUES ('kqq-6AD_ne3CrkwGlukKztTwUVvxhLPenD5g_W4hKNY', 'platform:ES256', '2026-11-26 15:53:38.458+00', true, '\xf6fd44a4970bb755548f2e7b9cc2b69fa970cee7cf0de04721980c0236cfd09633c04defbeaae234240ea5e6053969b290eb742142fb46301573f1d8f5a975a4');
INSERT INTO public.signing_keys VALUES ('cbApfyN6Apr4Z3wp6p97d0UQu-ypbKs58P0pFdcW2Z0', 'is_qzavodcwoohdhfj5scxx2av4ni:ES256', '2026-11-26 15:53:43.31+00', true, '\x1ae9c87b725198406beb2d68fd6e4dd3c53cb158951b699ad13f5d954b5f1cdd557a418c80738935ec3453d5e6df94a09d02397085d99e3dba5d6bd453d81d21');
INSERT INTO public.signing_keys VALUES ('2s_5yltN4HPpwbeda6eiucDMMAVfJoM6eRqTkHJkyPM', 'is_qzavodcwoohdhfj5scxx2av4ni:ES256', '2026-11-26 15:53:43.31+00', true, '\x7514c17a06fc54afe9dc46f84c1cde27862ab32ffa7390a7120670610a58c94f7a9cba47f04d583f9cb283a70f9abf935d8096f28c8de4aace88849da9ad4b6a');
INSERT INTO public.signing_keys VALUES ('2RuxgurTVMqUaM8iA1dsqbP-N5aXm5N-BqzXReO4RRY', 'is_ilqg3pg6fe6ao7bd46xlz6gsfq:ES256', '2026-11-26 15:53:47.055+00', true, '\xafe6f28aa18f7e62e9b56668cb0957c2b4de2306741f9d294b4ae7d692990dc019fb83f5191a23b950a628521d0c6cb616b8916f9dd1142e5e8213a894405c6b');
INSERT INTO public.signing_keys VALUES ('0N-QdBEsgpDR__dlCnz8TmjTxOEeeDF2AzN3eS8vkPM', 'is_ilqg3pg6fe6ao7bd46xlz6gsfq:ES256', '2026-11-26 15:53:47.055+00', true, '\xc3fc5e077bd695deabde6311c601d3272bc7ca36aa289b6ceb0a67d19eb3e73f77e47fff9417860d7e048d93a8c1506f611f094b7d38eacfe6292b96c588b478');
INSERT INTO public.signing_keys VALUES ('sjhl0QBNkSMmZGSbDnfxb7uFvz7tSgvowluBBj_woLQ', 'platform:ES256', '2026-11-26 15:53:49.03+00', false, '\x0f7f0fbf616f1996fe7555c2612fab75bb0d21c76f44ed9df7f57586867ffaad61934adf66981a4602e7877cc077cbdf949523990eb81daab0bd69ed5cac25c1');
INSERT INTO public.verifications VALUES ('cn_wg4vcw7tfabuwchjr56imxax3i', '2026-11-26 15:53:47.496584+00', 1, '2026-11-26 15:53:52.881+00', NULL, 'InvalidIdentityToken', 'No OpenIDConnect provider found in your account for http://127.0.0.1:46609/c/is_ilqg3pg6fe6ao7bd46xlz6gsfq Account 444455556666 has no OIDC provider for http://127.0.0.1:46609/c/is_ilqg3pg6fe6ao7bd46xlz6gsfq: create the stack, or restore its resource "Provider" with exactly this Url.');
INSERT INTO public.workloads VALUES ('wl_hs5hgv3bjcdvjmgbcc3c2zkoeq', 'billing', '', 'active', '{}', '{https://ledger.example}', '{"keys": [{"x": "k45ibaEPhtZDA9nfCpWwhrQOE4patN7pK7KmlllOGxc", "y": "gFVMsczFXq3NJcc-ytoPe3u65Py9kggbLyfS_wj4C3M", "alg": "ES256", "crv": "P-256", "kid": "hPG_O5wOu9sJ2VCXqKXWZXVXuX2Ih5HdUNN4vzWB9YY", "kty": "EC", "created_at": "2026-11-26T15:53:48.202Z"}]}', 1, '2026-11-26 15:53:48.182288+00', '2026-11-26 15:53:48.182288+00');
INSERT INTO public.workloads VALUES ('wl_qyiwmetnujzmi32rr5c3mdudg4', 'once', '', 'active', '{}', '{}', '{"keys": [{"x": "YXwvXzTf5tOVj-buR3xyn9P-gnuOQET8-uGK-e7sb2o", "y": "1-GBxcJq8I2feG_HOVkapsWO7FKp0tLeH-GaYT6jwo0", "alg": "ES256", "crv": "P-256", "kid": "ou9fc74m875E38K2C2fEJyYnXFmSzFbPH_1W0-lz644", "kty": "EC", "created_at": "2026-11-26T15:53:48.706Z"}]}', 1, '2026-11-26 15:53:48.704658+00', '2026-11-26 15:53:48.704658+00');
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
