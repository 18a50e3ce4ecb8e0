/** What can go wrong when asking whether an execution still runs. */

import { Failure } from '#lib/failure.ts';

/** The role may not describe the execution, or the answer makes no sense: nobody may conclude that the run is dead. */
export class ExecutionLookupDenied extends Failure {
  static override readonly failureName = 'ExecutionLookupDenied';
}

/** Step Functions did not answer or asked to slow down; the same question may be answered later. */
export class ExecutionLookupUnavailable extends Failure {
  static override readonly failureName = 'ExecutionLookupUnavailable';
  static override readonly transient = true;
}

/** No such workflow or execution, here and now. */
export class ExecutionUnknown extends Failure {
  static override readonly failureName = 'ExecutionUnknown';
}

/** Step Functions refused a person's request or could not be reached. */
export class WorkflowsUnreachable extends Failure {
  static override readonly failureName = 'WorkflowsUnreachable';
}
