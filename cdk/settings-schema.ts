/** Prints the JSON schema of blockferry.json: `node cdk/settings-schema.ts > blockferry.schema.json`, then `npm run format`. */

import { settingsSchema } from './settings.ts';

process.stdout.write(`${JSON.stringify(settingsSchema(), undefined, 2)}\n`);
