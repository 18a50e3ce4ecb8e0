/** Requests to the store in the terms of its bill, as receipts and points record them. */

import * as z from 'zod/mini';
import { countField } from './document.ts';

export const requestCounts = z.object({
  /** PUT, COPY, POST and LIST. */
  puts: countField,
  /** GET and HEAD. */
  gets: countField,
  sentBytes: countField,
  receivedBytes: countField,
});

export type RequestCounts = Readonly<z.infer<typeof requestCounts>>;
