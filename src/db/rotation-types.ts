// Row types of rotations in numbers: the plan, the runs.

export interface RotationPlanTable {
  id: number;
  policy_version: number;
  after: string | null;
}

export interface RotationTables {
  rotation_plan: RotationPlanTable;
}
