/** What can go wrong around a step rather than in it: its input, its answer, its settings and its time. */

import { Failure } from '#lib/failure.ts';

/** The event does not have the form that the step's contract names; the same event never will. */
export class InvalidInput extends Failure {
  static override readonly failureName = 'InvalidInput';
}

/** The step's own answer breaks its contract: a defect of ours, found before the next step could act on it. */
export class InvalidOutput extends Failure {
  static override readonly failureName = 'InvalidOutput';
}

/** The function's environment is not what its contract names; the next deployment has to repair it. */
export class InvalidConfiguration extends Failure {
  static override readonly failureName = 'InvalidConfiguration';
}

/** The function's time was nearly used up, so the step let go of what it held instead of being killed. */
export class StepOutOfTime extends Failure {
  static override readonly failureName = 'StepOutOfTime';
  static override readonly transient = true;
}

/** Another run committed first on this base. What this run stored is orphaned; the next run starts from that point. */
export class LostRace extends Failure {
  static override readonly failureName = 'LostRace';
}

/** A shard was handed on from call to call more often than any usable link needs. */
export class ShardTooSlow extends Failure {
  static override readonly failureName = 'ShardTooSlow';
}

/** At least one VM of a fleet run has no new restore point; the message names the first of them with their errors. */
export class FleetIncomplete extends Failure {
  static override readonly failureName = 'FleetIncomplete';
}

/** Verification found objects of the vault that are not as they were written. */
export class VaultDamaged extends Failure {
  static override readonly failureName = 'VaultDamaged';
}

/** The run is over and something of it is still on the host; the sweeper comes back for it. */
export class HostNotReleased extends Failure {
  static override readonly failureName = 'HostNotReleased';
}
