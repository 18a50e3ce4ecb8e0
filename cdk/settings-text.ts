/** Text of the settings file: what form it has, and what to do when it has another. */

import * as z from 'zod/mini';

export const text = (form: RegExp, cure: string) => z.string(cure).check(z.regex(form, cure));
