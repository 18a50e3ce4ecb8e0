/** A value that travels as JSON text, because an environment variable is nothing but text. */

import * as z from 'zod/mini';

/** Text that is not JSON is reported like any other wrong value. */
export function jsonText<Schema extends z.ZodMiniType>(schema: Schema) {
  return z.pipe(
    z.pipe(
      z.string(),
      z.transform((text) => parsedOrUndefined(text)),
    ),
    schema,
  );
}

/** No schema that is used here accepts undefined. */
function parsedOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
