/** What can go wrong between a reader and the host's NBD server. */

import { Failure } from '#lib/failure.ts';

/** The host closed the connection before its greeting: all of its 16 connections are taken. */
export class HostBusy extends Failure {
  static override readonly failureName = 'HostBusy';
  static override readonly transient = true;
}

/** No connection could be made, or it was lost, or the peer stopped answering. */
export class NbdConnectionLost extends Failure {
  static override readonly failureName = 'NbdConnectionLost';
  static override readonly transient = true;
}

/** The peer closed after EXPORT_NAME: session expired, disk gone, or the role may not attach it. The host logs why. */
export class ExportRefused extends Failure {
  static override readonly failureName = 'ExportRefused';
  static override readonly transient = true;
}

/** The certificate the peer shows is not the one the host's API names. */
export class NbdCertificateMismatch extends Failure {
  static override readonly failureName = 'NbdCertificateMismatch';
}

/** The peer offers no TLS where the host's API promised it; somebody has to look at the purpose of the network. */
export class NbdTlsRefused extends Failure {
  static override readonly failureName = 'NbdTlsRefused';
}

/** The peer does not speak the part of the protocol that a XenServer host speaks, or breaks it. */
export class NbdProtocolViolation extends Failure {
  static override readonly failureName = 'NbdProtocolViolation';
}

/** The peer answered a read with an error, or cut it short after saying that it would succeed. */
export class NbdReadFailed extends Failure {
  static override readonly failureName = 'NbdReadFailed';
  static override readonly transient = true;
}
