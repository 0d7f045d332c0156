-- The seal: while it stands, nothing is minted. It stands in the row of the policy epoch, so that whoever reads or locks
-- the epoch, as every decision and every append does, reads the seal with it. Who sealed and unsealed when is on record
-- in the audit log.
alter table policy_epoch add column seal jsonb;
