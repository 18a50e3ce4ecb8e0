/** The blockferry command. */

import { Command, CommanderError } from 'commander';
import { Failure } from '#lib/failure.ts';
import { DamagedContent } from '#lib/restore/restore-disk.ts';
import { addAudit } from './audit.ts';
import { addBackup } from './backup.ts';
import { addCoverage } from './coverage.ts';
import { addDeploy } from './deploy.ts';
import { addDoctor } from './doctor.ts';
import { addEstimate } from './estimate.ts';
import { addFiles, DamagedFile } from './files.ts';
import { addHost } from './host.ts';
import { addList } from './list.ts';
import { addLogs } from './logs.ts';
import { addPrices } from './prices.ts';
import { addPrune } from './prune.ts';
import { addReport } from './report.ts';
import { addRestore } from './restore.ts';
import { addServe } from './serve.ts';
import { addShow } from './show.ts';
import { addStart } from './start.ts';
import { addStartRestore } from './start-restore.ts';
import { addStatus } from './status.ts';
import { addSweep } from './sweep.ts';
import { UsageError } from './vault-options.ts';
import { addVerify } from './verify.ts';

const program = new Command('blockferry')
  .description('Serverless offsite backup for XenServer and XCP-ng')
  .version('0.1.0')
  .showHelpAfterError('(blockferry --help lists the commands)')
  // Commander would end the process with 1, which scripts take for a failure that another try may mend.
  .exitOverride()
  .addHelpText(
    'after',
    `
Examples:
  blockferry list --vault s3://my-vault
  blockferry restore latest --vm web-1 --to web-1.raw --vault s3://my-vault

--vault and --endpoint may be given once as BLOCKFERRY_VAULT and BLOCKFERRY_ENDPOINT.
Credentials are those of the AWS tools: environment, profile, or role.
`,
  );
// A diagnostic report of Node lists the environment, in which a password and keys may be.
process.report.excludeEnv = true;
addList(program);
addShow(program);
addRestore(program);
addServe(program);
addFiles(program);
addBackup(program);
addSweep(program);
addDoctor(program);
addHost(program);
addPrune(program);
addVerify(program);
addAudit(program);
addReport(program);
addEstimate(program);
addPrices(program);
addCoverage(program);
addDeploy(program);
addStart(program);
addStartRestore(program);
addStatus(program);
addLogs(program);

try {
  await program.parseAsync();
} catch (failure) {
  if (failure instanceof CommanderError) {
    // It has printed its sentence, or the help that was asked for.
    process.exitCode = failure.exitCode === 0 ? 0 : 2;
  } else if (failure instanceof Failure) {
    process.stderr.write(`blockferry: ${failure.name}: ${failure.message}\n`);
    process.exitCode = exitCodeOf(failure);
  } else throw failure;
}

/** Scripts tell damage of the vault from everything that another try may mend. */
function exitCodeOf(failure: Failure): number {
  if (failure instanceof UsageError) return 2;
  return failure instanceof DamagedContent || failure instanceof DamagedFile ? 3 : 1;
}
