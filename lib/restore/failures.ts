/** What can go wrong with the target of a restore: one class per decision somebody can take. */

import { Failure } from '#lib/failure.ts';

/** What was written does not read back as what was meant: the storage under the target is at fault. */
export class TargetCorrupted extends Failure {
  static override readonly failureName = 'TargetCorrupted';
}

/** The restore failed, and so did removing what it had begun: somebody has to do that, or to go on with it. */
export class UnfinishedRestoreLeft extends Failure {
  static override readonly failureName = 'UnfinishedRestoreLeft';
}

/** The point holds no metadata of its VM, so that only its disks can be restored. */
export class NoVmMetadata extends Failure {
  static override readonly failureName = 'NoVmMetadata';
}

/** A VM that is to keep its uuid and its MAC addresses cannot be restored beside the one that has them. */
export class VmStillThere extends Failure {
  static override readonly failureName = 'VmStillThere';
}

/** The host made another VM of the metadata than was meant: its disks are not exactly the restored ones. */
export class VmImportedWrongly extends Failure {
  static override readonly failureName = 'VmImportedWrongly';
}

/** A disk of the restore is not on the host, or not all of it: the restore has to begin anew. */
export class RestoredDiskMissing extends Failure {
  static override readonly failureName = 'RestoredDiskMissing';
}

/** One disk was handed on from call to call more often than any usable link needs. */
export class RestoreTooSlow extends Failure {
  static override readonly failureName = 'RestoreTooSlow';
}
