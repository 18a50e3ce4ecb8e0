/** Every parser that is fuzzed. */

import type { FuzzTarget } from '../target.ts';
import { S3_TARGETS } from './embedded-s3.ts';
import { INPUT_TARGETS } from './inputs.ts';
import { nbdCertificate, nbdHandshake, nbdReplies, nbdServer } from './nbd.ts';
import { VAULT_TARGETS } from './vault.ts';
import { apiCall, errorDescription, redaction, restoreMarks, taskResult, valueTree, xmlRpcReply } from './xapi.ts';
import { bitmapReply, diskUuid, records, vhdTable } from './xapi-values.ts';

export const TARGETS: readonly FuzzTarget[] = [
  ...[nbdHandshake, nbdReplies, nbdCertificate, nbdServer],
  ...[xmlRpcReply, apiCall, taskResult, errorDescription, redaction, records, bitmapReply, vhdTable, diskUuid],
  ...[valueTree, restoreMarks],
  ...VAULT_TARGETS,
  ...INPUT_TARGETS,
  ...S3_TARGETS,
];
