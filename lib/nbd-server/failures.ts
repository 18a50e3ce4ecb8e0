/** What ends a client's connection. */

import { Failure } from '#lib/failure.ts';

/** The client sent what no NBD client sends, or left; only its own connection is concerned. */
export class ClientGone extends Failure {
  static override readonly failureName = 'ClientGone';
}
