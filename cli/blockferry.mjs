#!/usr/bin/env node
// The command as npm installs it. Blockferry itself needs Node 24 and is TypeScript: setup/run.mjs finds both.

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = dirname(fileURLToPath(import.meta.url));
process.argv.splice(2, 0, join(folder, 'blockferry.ts'));
await import('../setup/run.mjs');
