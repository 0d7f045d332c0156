// What oidc-provider would store: nothing. Clients come from the request (proved-clients.ts), replays are refused with the
// audit row (src/audit/stream.ts), and JWT access tokens are kept by nobody.
import type { Adapter } from 'oidc-provider';

export class EmptyAdapter implements Adapter {
  async find(): Promise<undefined> {}
  async upsert(): Promise<void> {}
  async consume(): Promise<void> {}
  async destroy(): Promise<void> {}
  async findByUid(): Promise<undefined> {}
  async findByUserCode(): Promise<undefined> {}
  async revokeByGrantId(): Promise<void> {}
}
