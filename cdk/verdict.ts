/**
 * How a run ends: with the first error that occurred, if any, however much was put right after it. A run that met another
 * one on its VM has made nothing and is no failure: the other run answers for the VM, and tells if it fails.
 */

import { Choice, Condition, Fail, Succeed } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { RunInProgress } from '#lib/backup/failures.ts';
import { LEFT_TO_ANOTHER_RUN } from '#lib/workflow/backup-input.ts';
import { field, jsonata } from '#lib/workflow/contract.ts';
import { HostNotReleased, LostRace } from '#lib/workflow/failures.ts';
import { releaseHost } from '#lib/workflow/release-host.ts';
import { CAUGHT_CAUSE, CAUGHT_ERROR } from './caught.ts';

export const CAUGHT = `{ 'error': ${CAUGHT_ERROR}, 'cause': ${CAUGHT_CAUSE} }`;

/** What `$first` is before anything failed. */
export const NO_ERROR = jsonata("{ 'error': '', 'cause': '' }");

/** Assignments for the three ways to the verdict. On each of them `$first` and `$point` have a value afterwards. */
export const BACKED_UP = { first: NO_ERROR, point: '{% $states.result[0] %}' };
export const NOT_BACKED_UP = { first: jsonata(CAUGHT), point: {} };
const MET_ANOTHER = `$first.error = '${RunInProgress.failureName}'`;
/** release-host failed too: what failed before it stays the reason. */
export const NOT_RELEASED = { first: jsonata(`($first.error = '' or ${MET_ANOTHER}) ? ${CAUGHT} : $first`) };

/** After the last step of a run; its input is the answer of release-host, or that step's error. */
export function verdict(scope: Construct): Choice {
  const failed = Fail.jsonata(scope, 'failed', { error: '{% $first.error %}', cause: '{% $first.cause %}' });
  const leftOnHost = Fail.jsonata(scope, 'host-not-released', {
    error: HostNotReleased.failureName,
    cause:
      'The restore point is committed, but objects of the run are still on the host; the sweeper comes back for them',
  });
  const left = Succeed.jsonata(scope, 'left-to-another-run', {
    outputs: { outcome: LEFT_TO_ANOTHER_RUN, reason: '{% $first.cause %}' },
  });
  return Choice.jsonata(scope, 'verdict')
    .when(Condition.jsonata(jsonata(MET_ANOTHER)), left)
    .when(Condition.jsonata("{% $first.error != '' %}"), failed)
    .when(Condition.jsonata(jsonata(`${field(releaseHost.output, 'left')} > 0`)), leftOnHost)
    .otherwise(Succeed.jsonata(scope, 'succeeded', { outputs: '{% $point %}' }));
}

/** Ends the `backup` part of a run, so that the host is released and the verdict is not success. */
export function lostRace(scope: Construct): Fail {
  return Fail.jsonata(scope, 'lost-race', {
    error: LostRace.failureName,
    cause: 'Another run committed a point on this base first; the next run starts from that point',
  });
}
