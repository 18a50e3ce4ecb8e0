/**
 * Prints what the owner of an existing vault adds to the policies of its bucket and key:
 * `npm run vault-policy -- <number of the account that blockferry is deployed into>`.
 */

import { Failure } from '#lib/failure.ts';
import { policiesOfOwner } from './existing-vault.ts';
import { readSettings } from './settings.ts';

/** The command line names no account, or the settings no existing vault. */
class NothingToPrint extends Failure {
  static override readonly failureName = 'NothingToPrint';
}

const [account = ''] = process.argv.slice(2);
const settings = readSettings(process.env['BLOCKFERRY_SETTINGS'] ?? 'blockferry.json');
const { existing } = settings.vault;
if (!/^\d{12}$/.test(account)) throw new NothingToPrint('give the number of the account to deploy into, 12 digits');
if (existing === undefined)
  throw new NothingToPrint('the settings have no vault.existing: its policies are made by deploy');
process.stdout.write(`${JSON.stringify(policiesOfOwner(settings, { existing, account }), undefined, 2)}\n`);
