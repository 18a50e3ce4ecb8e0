/** What the simulator has seen, for tests that check how a client behaves. */

export class Counters {
  /** Completed or failed, with the Async. prefix where the caller used it. */
  readonly apiCalls = new Map<string, number>();
  readonly nbdBytesByVdi = new Map<string, number>();
  nbdReadRequests = 0;
  nbdConnections = 0;
  nbdConnectionsPeak = 0;
  nbdConnectionsTotal = 0;
  nbdConnectionsRefused = 0;

  countCall(method: string): void {
    this.apiCalls.set(method, (this.apiCalls.get(method) ?? 0) + 1);
  }

  countBytes(vdiUuid: string, bytes: number): void {
    this.nbdBytesByVdi.set(vdiUuid, (this.nbdBytesByVdi.get(vdiUuid) ?? 0) + bytes);
  }

  connectionOpened(): void {
    this.nbdConnections += 1;
    this.nbdConnectionsTotal += 1;
    this.nbdConnectionsPeak = Math.max(this.nbdConnectionsPeak, this.nbdConnections);
  }

  connectionClosed(): void {
    this.nbdConnections -= 1;
  }
}
