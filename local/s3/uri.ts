/** What a request's path and the source of a copy say once their percents are off. */

import { S3Error } from './s3-error.ts';

/** Throws InvalidURI for what is no UTF-8. */
export function decodedUri(raw: string): string {
  try {
    return decodeURIComponent(raw);
  } catch (error) {
    if (error instanceof URIError) throw new S3Error('InvalidURI');
    throw error;
  }
}
