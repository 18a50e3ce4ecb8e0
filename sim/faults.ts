/** What can be made to go wrong, switched while the simulator runs. Every switch is off in the beginning. */

import type { NbdCertificateState } from './certificates.ts';

export interface CallFault {
  /** Without the Async. prefix. */
  readonly method: string;
  readonly code: string;
  readonly params?: readonly string[];
  /** Calls that fail before the method works again. */
  times: number;
}

export interface Faults {
  /** Errors for chosen methods, first match first; used up entries stay with times 0. */
  calls: CallFault[];
  /** Adds an address like fd00::5/64 to what get_nbd_info returns; nothing listens there. */
  ipv6InNbdInfo: boolean;
  /** get_nbd_info returns no records although NBD is on. */
  emptyNbdInfo: boolean;
  /** get_nbd_info fails for the whole pool because one host does not answer. */
  hostOffline: boolean;
  /** Which parameters VDI_IN_USE carries; all three occur. */
  vdiInUseParameters: 'vdi and operation' | 'vdi' | 'none';
  /** enable_cbt is refused with LICENCE_RESTRICTION, and the pool says so in its restrictions. */
  cbtRestricted: boolean;
  /** A snapshot is made without a log, as when CBT is still being enabled. */
  snapshotWithoutCbt: boolean;
  /** A snapshot cannot have a log: it is made without one, tracking of its disk goes off, and a message says so. */
  snapshotLogFails: boolean;
  /** The log of a disk that grows cannot grow with it: tracking goes off, and a message says so. */
  resizeLogFails: boolean;
  /** Removed snapshots leave their links in the chains of VHD files: nothing is coalesced. */
  coalescingStalled: boolean;
  /** All storage calls are refused with NOT_SUPPORTED_DURING_UPGRADE. */
  poolUpgrading: boolean;
  /** Every call but login is refused with HOST_STILL_BOOTING. */
  hostStillBooting: boolean;
  /** Methods newer than 7.2 do not exist and VM.snapshot takes no third parameter. */
  oldHost: boolean;
  /** An SR scan wrote the log file's size over the virtual size of a disk whose data was destroyed. */
  scanOverwritesSize: boolean;
  /** Two exports of one disk that are plugged at the same moment: the second fails. */
  simultaneousPlugsFail: boolean;
  /** NBD connections are closed before the greeting, as when all slots are taken or no purpose is set. */
  nbdRefuses: boolean;
  /** Before the greeting; the daemon's own login to the API can be slow. */
  nbdGreetingDelayMs: number;
  /** Each NBD connection is cut after this many bytes of data. */
  nbdCutAfterBytes: number | undefined;
  /** Each NBD connection stops sending, but stays open, after this many bytes of data. */
  nbdStallAfterBytes: number | undefined;
  /** Reads of this byte answer OK and then cut the connection, as a bad sector does. */
  nbdBadByte: number | undefined;
  /** The first bit of this byte of the disk is sent flipped. */
  nbdFlippedByte: number | undefined;
  /** Which certificate the NBD server presents. */
  nbdCertificate: NbdCertificateState;
  /** A disconnected export keeps its dom0 VBD and its slot until the switch is off. */
  nbdNeverUnplugs: boolean;
  /** A bitmap that comes back with a wrong length. */
  truncatedBitmap: boolean;
  /** The result of a task without a value is `<value></value>` and not an empty string; both occur. */
  wrappedVoidResults: boolean;
  /** API connections are closed after the request has been carried out and before its answer, this many times. */
  lostAnswers: number;
  /** API requests are closed unread, this many times. */
  refusedRequests: number;
  /**
   * After so many requests more, the next is carried out, if it is to be, and never answered, and all later ones are
   * closed unread: to the host that is a client that was killed.
   */
  apiSilence: { requests: number; readonly carriesOutLast: boolean } | undefined;
  /** /export_raw_vdi says 200 OK and then sends a second, complete HTTP 500 answer as body. */
  exportAnswersTwice: boolean;
  /** /export_raw_vdi and /import_raw_vdi end early after this many bytes of data. */
  transferCutAfterBytes: number | undefined;
}

export function noFaults(): Faults {
  return {
    calls: [],
    ipv6InNbdInfo: false,
    emptyNbdInfo: false,
    hostOffline: false,
    vdiInUseParameters: 'vdi and operation',
    cbtRestricted: false,
    snapshotWithoutCbt: false,
    snapshotLogFails: false,
    resizeLogFails: false,
    coalescingStalled: false,
    poolUpgrading: false,
    hostStillBooting: false,
    oldHost: false,
    scanOverwritesSize: false,
    simultaneousPlugsFail: false,
    nbdRefuses: false,
    nbdGreetingDelayMs: 0,
    nbdCutAfterBytes: undefined,
    nbdStallAfterBytes: undefined,
    nbdBadByte: undefined,
    nbdFlippedByte: undefined,
    nbdCertificate: 'current',
    nbdNeverUnplugs: false,
    truncatedBitmap: false,
    wrappedVoidResults: false,
    lostAnswers: 0,
    refusedRequests: 0,
    apiSilence: undefined,
    exportAnswersTwice: false,
    transferCutAfterBytes: undefined,
  };
}
