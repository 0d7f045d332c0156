// The kid of a token of ours, read off its own header: which key signed is what the token says, though a ring rotates.

/** @param header the first part of the compact form */
export function readKid(header: string): string {
  return (JSON.parse(Buffer.from(header, 'base64url').toString('utf8')) as { kid: string }).kid;
}
