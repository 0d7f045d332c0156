-- When the seal was last set or lifted: a part of what kept sessions hang on, so that none of before is given after, by a
-- replica too that was asked nothing while it stood. By a trigger, so that a process of before this migration writes it as well.
alter table policy_epoch add column seal_changed_at timestamptz;

create function note_seal_change() returns trigger language plpgsql as $$
begin
  new.seal_changed_at := clock_timestamp();
  return new;
end
$$;

create trigger policy_epoch_seal_changed before update on policy_epoch
  for each row when (new.seal is distinct from old.seal) execute function note_seal_change();
