-- How far the queue of rotations follows the key policy: its times are planned ring by ring, and a policy that changes
-- moves all of them. One row; whoever has it locked plans the next rings behind `after`.
create table rotation_plan (
  id              smallint primary key check (id = 1),
  policy_version  integer not null,
  -- The id of the last ring that was planned under that version; null once all are.
  after           text
);
insert into rotation_plan (id, policy_version, after) values (1, 0, null);

insert into service_privileges (relation, privileges) values
  ('rotation_plan', 'select, update');

select apply_service_privileges();
