/** What can go wrong with a backup run, beyond host, NBD and store. */

import { Failure } from '#lib/failure.ts';

/** The run's connection to the host is not there: the run was released, or never got so far. */
export class ConnectionGone extends Failure {
  static override readonly failureName = 'ConnectionGone';
}

/** The host exports a snapshot of another size than it reported. */
export class SnapshotSizeChanged extends Failure {
  static override readonly failureName = 'SnapshotSizeChanged';
}

/** Receipts do not account for every planned grain exactly once, or a pack is not what its receipt says. */
export class IncompleteRun extends Failure {
  static override readonly failureName = 'IncompleteRun';
}

/** Another run of the same VM is still under way. */
export class RunInProgress extends Failure {
  static override readonly failureName = 'RunInProgress';
}

/** The host offers no NBD address for a disk that can be reached. */
export class NbdNotOffered extends Failure {
  static override readonly failureName = 'NbdNotOffered';
}

/** The VM has no disk to back up. */
export class NothingToBackUp extends Failure {
  static override readonly failureName = 'NothingToBackUp';
}

/** The SR of a disk has too little room for the snapshots of a run: free some before the next one. */
export class StorageNearlyFull extends Failure {
  static override readonly failureName = 'StorageNearlyFull';
}

/** A disk consists of so many VHD files that the host would soon refuse snapshots: it has to coalesce first. */
export class ChainNearLimit extends Failure {
  static override readonly failureName = 'ChainNearLimit';
}

/** The run began so long ago that its packs may have been collected; nothing may be committed from it any more. */
export class RunExpired extends Failure {
  static override readonly failureName = 'RunExpired';
}

/** Other runs have held all reader slots of the pool for hours. */
export class PoolOccupied extends Failure {
  static override readonly failureName = 'PoolOccupied';
}
