// What was put in place, reported to the service in pieces that it takes: keys season from the report on.
import type { Api } from '../api.ts';

export interface Report {
  issuer: string;
  document: 'jwks' | 'discovery';
  version: string;
  tag: string;
  kids?: readonly string[];
  /** Something else had stood there than the record said. */
  anew?: true;
}

/** The service takes bodies of 16 kB, and 64 documents. */
const [MOST_BYTES, MOST] = [14_000, 64];

function chunk(reports: readonly Report[]): Report[][] {
  const chunks: Report[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const report of reports) {
    const length = JSON.stringify(report).length + 1;
    if (bytes + length > MOST_BYTES || (chunks.at(-1)?.length ?? MOST) >= MOST) {
      chunks.push([]);
      bytes = 0;
    }
    chunks.at(-1)?.push(report);
    bytes += length;
  }
  return chunks;
}

/** @throws Failure `publishing_lease_lost` where another publisher has followed */
export async function sendReports(api: Api, target: string, epoch: number, reports: readonly Report[]): Promise<void> {
  for (const documents of chunk(reports))
    await api.send('POST', `/v1/publishing/targets/${target}/placements`, { epoch, documents });
}
