/** Every fault of the suite. */

import type { FaultRow } from './row.ts';
import { HOST_ROWS } from './rows-host.ts';
import { NETWORK_ROWS } from './rows-network.ts';
import { RESTORE_ROWS } from './rows-restore.ts';
import { VAULT_ROWS } from './rows-vault.ts';

export const ROWS: readonly FaultRow[] = [...NETWORK_ROWS, ...HOST_ROWS, ...VAULT_ROWS, ...RESTORE_ROWS];
