/** Failures of a pool's API after which a step may be tried again; the steps that talk to the pool share the list. */

import {
  AnswerLost,
  AnswerOverdue,
  CbtSwitchFailed,
  DiskIoFailed,
  HostBooting,
  HostInternalError,
  HostOffline,
  HostUnreachable,
  OperationInProgress,
  SessionLost,
  StorageUnavailable,
  TaskStillPending,
  VdiInUse,
} from '#lib/xapi/failures.ts';

/**
 * Gone within seconds, if ever. AnswerLost and AnswerOverdue leave open whether the call had an effect: the steps look
 * at what is there before they act, so a second try is safe.
 */
export const HOST_TRANSIENT = [
  HostUnreachable,
  AnswerLost,
  AnswerOverdue,
  SessionLost,
  CbtSwitchFailed,
  DiskIoFailed,
  HostInternalError,
] as const;

/** Gone when the host, or somebody else who uses it, has finished something: minutes. */
export const HOST_OCCUPIED = [
  VdiInUse,
  OperationInProgress,
  TaskStillPending,
  HostBooting,
  HostOffline,
  StorageUnavailable,
] as const;
