/** What can go wrong between Blockferry and a host's API: one class per decision somebody can take. */

import { Failure, type FailureDetails } from '#lib/failure.ts';

/** No verified connection could be made, so nothing was sent: any call may be repeated. */
export class HostUnreachable extends Failure {
  static override readonly failureName = 'HostUnreachable';
  static override readonly transient = true;
}

/** The connection broke after the call was sent: the host may or may not have carried it out. */
export class AnswerLost extends Failure {
  static override readonly failureName = 'AnswerLost';
  static override readonly transient = true;
}

/** The host took the call and did not answer in time: it may still be carrying it out. */
export class AnswerOverdue extends Failure {
  static override readonly failureName = 'AnswerOverdue';
  static override readonly transient = true;
}

/** The host shows another certificate than the pinned one. Either it was replaced, or somebody is in between. */
export class HostCertificateMismatch extends Failure {
  static override readonly failureName = 'HostCertificateMismatch';
}

/** The configured address, fingerprint or authority of a host cannot be used as it is written. */
export class HostSettingsInvalid extends Failure {
  static override readonly failureName = 'HostSettingsInvalid';
}

/** What came back is not an answer of the API: another status than 200, no XML-RPC, too large, or of another shape. */
export class UnexpectedReply extends Failure {
  static override readonly failureName = 'UnexpectedReply';
}

/** A value of the call cannot travel in XML, or the call is larger than the host accepts. */
export class CallNotSendable extends Failure {
  static override readonly failureName = 'CallNotSendable';
}

/** A host sent a transfer on to another one of its pool, because only that one has the storage attached. */
export class TransferRedirected extends Failure {
  static override readonly failureName = 'TransferRedirected';
  /** Name or address, without a port. */
  readonly address: string;

  constructor(message: string, address: string) {
    super(message);
    this.address = address;
  }
}

/** A host task had not ended when the time to wait for it was over. */
export class TaskStillPending extends Failure {
  static override readonly failureName = 'TaskStillPending';
  static override readonly transient = true;
}

/**
 * What to do about an error of the host. `retry`: within seconds to minutes. `retry-slowly`: every few minutes.
 * `retry-once`: a second time, then take it as final. `next-run`: not within this run. `skip-run`: end the run without
 * drawing conclusions about the chain. `full`: back up the disk in full. `treat-as-done`: the object is gone.
 */
export type Reaction =
  | 'retry'
  | 'retry-slowly'
  | 'retry-once'
  | 'log-in-again'
  | 'follow'
  | 'next-run'
  | 'skip-run'
  | 'skip-disk'
  | 'full'
  | 'treat-as-done'
  | 'give-up';

export interface RefusalFacts {
  /** The API's own error code, for example `VDI_IN_USE`. */
  readonly code: string;
  readonly reaction: Reaction;
  readonly details?: FailureDetails;
  readonly cause?: unknown;
}

/** The host answered a call with an error of its API. The call had no effect unless the code says otherwise. */
export abstract class HostRefusal extends Failure {
  readonly code: string;
  readonly reaction: Reaction;

  constructor(message: string, facts: RefusalFacts) {
    const details = { ...facts.details, code: facts.code, reaction: facts.reaction };
    super(message, 'cause' in facts ? { cause: facts.cause, details } : { details });
    this.code = facts.code;
    this.reaction = facts.reaction;
  }
}

/** An error of the API for which nobody can do anything specific. */
export class XapiError extends HostRefusal {
  static override readonly failureName = 'XapiError';
}

/** User name or password are wrong. */
export class WrongCredentials extends HostRefusal {
  static override readonly failureName = 'WrongCredentials';
}

/** The user may log in but its role does not allow the call. */
export class RoleInsufficient extends HostRefusal {
  static override readonly failureName = 'RoleInsufficient';
}

/** The session expired, was logged out, or was pushed out by newer ones. */
export class SessionLost extends HostRefusal {
  static override readonly failureName = 'SessionLost';
  static override readonly transient = true;
}

/** The host is not the pool's coordinator, and the coordinator's address is not among the allowed hosts. */
export class NotCoordinator extends HostRefusal {
  static override readonly failureName = 'NotCoordinator';

  /** Where the coordinator is, as the contacted host says it: a bare address, IPv6 without brackets. */
  get address(): string {
    return String(this.details['coordinator'] ?? '');
  }
}

/** The host starts up or is in emergency mode; it will answer in minutes. */
export class HostBooting extends HostRefusal {
  static override readonly failureName = 'HostBooting';
  static override readonly transient = true;
}

/** A rolling pool upgrade refuses all operations for hours. It says nothing about the CBT chain. */
export class UpgradeInProgress extends HostRefusal {
  static override readonly failureName = 'UpgradeInProgress';
}

/** A host of the pool that is needed for the answer does not respond. */
export class HostOffline extends HostRefusal {
  static override readonly failureName = 'HostOffline';
  static override readonly transient = true;
}

/** The object does not exist any more: done if it was to be destroyed, else the inventory is out of date. */
export class ObjectGone extends HostRefusal {
  static override readonly failureName = 'ObjectGone';
}

/** The disk is attached somewhere; often only until the host has taken down its own NBD attachment. */
export class VdiInUse extends HostRefusal {
  static override readonly failureName = 'VdiInUse';
  static override readonly transient = true;
}

/** Another operation on the object or its SR runs. The host has already waited for up to two hours by itself. */
export class OperationInProgress extends HostRefusal {
  static override readonly failureName = 'OperationInProgress';
  static override readonly transient = true;
}

/** The object is in a state in which the operation makes no sense. */
export class OperationNotAllowed extends HostRefusal {
  static override readonly failureName = 'OperationNotAllowed';
}

/** A disk of this kind cannot be backed up. */
export class DiskUnsupported extends HostRefusal {
  static override readonly failureName = 'DiskUnsupported';
}

/** The storage does not have the disk that the API lists. */
export class DiskMissing extends HostRefusal {
  static override readonly failureName = 'DiskMissing';
}

/** The disk is larger than its format allows. */
export class DiskTooLarge extends HostRefusal {
  static override readonly failureName = 'DiskTooLarge';
}

/** Reading or writing the disk failed on the host. */
export class DiskIoFailed extends HostRefusal {
  static override readonly failureName = 'DiskIoFailed';
  static override readonly transient = true;
}

/** No host has the SR attached. */
export class StorageDetached extends HostRefusal {
  static override readonly failureName = 'StorageDetached';
}

/** The SR could not be reached or loaded just now. */
export class StorageUnavailable extends HostRefusal {
  static override readonly failureName = 'StorageUnavailable';
  static override readonly transient = true;
}

/** The SR is out of space. */
export class SrFull extends HostRefusal {
  static override readonly failureName = 'SrFull';
}

/** The disk's VHD chain has reached its limit; the host has to coalesce first, which takes hours. */
export class ChainTooLong extends HostRefusal {
  static override readonly failureName = 'ChainTooLong';
}

/** The host cannot say what changed between the two snapshots. */
export class CbtChainBroken extends HostRefusal {
  static override readonly failureName = 'CbtChainBroken';
}

/** The snapshot has no record of changed blocks. */
export class CbtMetadataMissing extends HostRefusal {
  static override readonly failureName = 'CbtMetadataMissing';
}

/** Changed block tracking cannot be had here: no licence, or the SR type does not know it. */
export class CbtUnavailable extends HostRefusal {
  static override readonly failureName = 'CbtUnavailable';
}

/** Turning changed block tracking on or off failed in the storage layer. */
export class CbtSwitchFailed extends HostRefusal {
  static override readonly failureName = 'CbtSwitchFailed';
  static override readonly transient = true;
}

/** A purpose cannot be given to the network beside the ones the pool's networks have. */
export class NetworkPurposeRefused extends HostRefusal {
  static override readonly failureName = 'NetworkPurposeRefused';
}

/** Somebody cancelled the task. */
export class TaskCancelled extends HostRefusal {
  static override readonly failureName = 'TaskCancelled';
}

/** The host does not know the call, or not with these parameters: it is too old or too new. */
export class CallUnsupported extends HostRefusal {
  static override readonly failureName = 'CallUnsupported';
}

/** The host failed in a way that it did not foresee. */
export class HostInternalError extends HostRefusal {
  static override readonly failureName = 'HostInternalError';
  static override readonly transient = true;
}
