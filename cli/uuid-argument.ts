/** UUIDs on the command line. */

import { InvalidArgumentError } from 'commander';

/** A UUID as the host prints it: what XenServer would refuse later is refused before anything starts. */
export function uuidArgument(text: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)) {
    throw new InvalidArgumentError('It must be a uuid in lower case, as xe vm-list, vdi-list and sr-list print it.');
  }
  return text;
}
