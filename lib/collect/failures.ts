/** What can keep the collector from its work. */

import { Failure } from '#lib/failure.ts';

/** Something could not be read or understood; nothing was deleted. */
export class CollectionStopped extends Failure {
  static override readonly failureName = 'CollectionStopped';
}
