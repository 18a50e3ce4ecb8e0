/** What a request's path and the source of a copy say once their percents are off. */

import { S3Error } from './s3-error.ts';

/** Undefined for what is no UTF-8. */
export function decodedOrNothing(raw: string): string | undefined {
  try {
    return decodeURIComponent(raw);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

/** Throws InvalidURI for what is no UTF-8. */
export function decodedUri(raw: string): string {
  const text = decodedOrNothing(raw);
  if (text === undefined) throw new S3Error('InvalidURI');
  return text;
}
