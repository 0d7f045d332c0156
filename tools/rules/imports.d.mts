// The types of what a test reads of imports.mjs, which is plain JavaScript because the linter reads it.
export const LAYERS: readonly (readonly string[])[];
export const LEAVES: readonly string[];
