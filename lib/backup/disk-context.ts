/** What the steps of one disk on the host are given. */

import type { ObjectStore, StorageClass } from '#lib/store/object-store.ts';
import type { RunId } from '#lib/units.ts';
import type { ManifestReader } from '#lib/vault/manifest-reader.ts';
import type { XapiHost } from '#lib/xapi/pinned-agent.ts';
import type { XapiSession } from '#lib/xapi/session.ts';

export interface DiskContext {
  readonly session: XapiSession;
  readonly store: ObjectStore;
  readonly vault: string;
  readonly run: RunId;
  readonly now: () => Date;
  readonly signal: AbortSignal;
  /** Hosts of the pool that the session may be shown to. */
  readonly hosts: readonly XapiHost[];
  /** Where new packs go; undefined is the bucket's default. */
  readonly storageClass: StorageClass | undefined;
  /** The manifest of the disk's newest point, if it has one. */
  readonly base: ManifestReader | undefined;
  /** An earlier call left the disk in this state, so that nobody knows whether what comes next was begun already. */
  readonly resumed: boolean;
}
