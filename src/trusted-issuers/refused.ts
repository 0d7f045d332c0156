// The one way to say that a token of somebody else's proves nothing.

/** Why: a clause for its bearer. */
export class ProofRefused extends Error {}
