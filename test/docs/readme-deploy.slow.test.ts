/** The README's commands, taken from its text: what works offline is run as it is written, the rest has to exist. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { readSettings } from '#cdk/settings.ts';
import { startSimulator } from '#sim/simulator.ts';

const root = join(import.meta.dirname, '..', '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const MAX_COMMANDS = 10;
const COMMAND_WORDS = /^(?:npm run blockferry --|npx blockferry|blockferry) /;

const deploySection = /\n## Deploy\n(.*?)\n## /s.exec(readme)?.[1] ?? assert.fail('the README has no section Deploy');
/** The commands of its numbered list, in order; a second line of an item is indented. */
const deployCommands = deploySection
  .split('\n')
  .filter((line) => /^(\d+\.| {3})/.test(line))
  .flatMap((line) => [...line.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code))
  .filter((code) => /^(aws|openssl|cp|npm) /.test(code));

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'blockferry-readme-'));
  copyFileSync(join(root, 'blockferry.example.json'), join(folder, 'blockferry.example.json'));
});
after(() => rmSync(folder, { recursive: true }));

const only = (start: string): string => {
  const found = deployCommands.filter((command) => command.startsWith(start));
  assert.equal(found.length, 1, `one command of the list begins with ${start}`);
  return found[0] ?? '';
};
const shell = (command: string, options: { cwd: string; env?: Record<string, string> }) =>
  promisify(execFile)('bash', ['-c', command], { ...options, env: { ...process.env, ...options.env } });

test('an installation takes ten commands or fewer', () => {
  assert.ok(deployCommands.length >= 6 && deployCommands.length <= MAX_COMMANDS, deployCommands.join('\n'));
});

test('the secret that the README makes holds what is read from it', () => {
  const text = /--secret-string '([^']+)'/.exec(only('aws secretsmanager create-secret'))?.[1] ?? '';
  assert.deepEqual(Object.keys(JSON.parse(text)), ['username', 'password']);
});

test('the fingerprint that the README finds, put into the copied example, is the one of the host', async () => {
  await using sim = await startSimulator();
  await shell(only('cp '), { cwd: folder });
  const { stdout } = await shell(only('openssl ').replace('HOST:443', new URL(sim.url).host), { cwd: folder });
  const file = join(folder, 'blockferry.json');
  const example = JSON.parse(readFileSync(file, 'utf8'));
  const fingerprint = stdout.trim().replace(/^.*=/, '');
  writeFileSync(file, JSON.stringify({ ...example, pools: [{ ...example.pools[0], url: sim.url, fingerprint }] }));
  const [pool] = readSettings(file).pools;
  assert.equal(pool?.fingerprint?.replaceAll(':', '').toLowerCase(), sim.fingerprint.replaceAll(':', '').toLowerCase());
});

test('the secret and the policy of the README are those of the example', () => {
  const { pools, policies } = JSON.parse(readFileSync(join(folder, 'blockferry.example.json'), 'utf8'));
  assert.ok(only('aws ').includes(`--name ${pools[0].secretName} `));
  assert.ok(only('npm run blockferry -- start').includes(`--policy ${policies[0].name}`));
});

test('a wrong settings file fails synth with the key, the value and the cure', async () => {
  const wrong = join(folder, 'wrong.json');
  writeFileSync(wrong, JSON.stringify({ pools: [{ name: 'main', url: 'host-1', secretName: 'a' }] }));
  await assert.rejects(
    shell(only('npm run synth'), { cwd: root, env: { BLOCKFERRY_SETTINGS: wrong } }),
    /SettingsInvalid.*pools.*url.*host-1.*give https:/s,
  );
});

test('every npm script that the README names exists', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const named = [...readme.matchAll(/npm (?:run ([\w:-]+)|(test)\b)/g)].map(
    ([, script, plain]) => script ?? plain ?? '',
  );
  assert.ok(named.length > 5);
  for (const script of named) assert.ok(script in scripts, script);
});

test('every command and option of blockferry that the README names is known to it', async () => {
  const inline = [...readme.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
  const fenced = [...readme.matchAll(/\n```\n(.*?)\n```/gs)].flatMap(([, code = '']) => code.split('\n'));
  const lines = [...new Set([...inline, ...fenced].filter((code) => COMMAND_WORDS.test(code)))];
  assert.ok(lines.length > 15, String(lines.length));
  const helps = new Map<string, string>();
  for (const line of lines) {
    const words = line.replace(COMMAND_WORDS, '').split(' ');
    const command = words.slice(0, words[0] === 'host' ? 3 : 1).join(' ');
    if (!helps.has(command)) helps.set(command, await helpOf(command));
    for (const option of words.filter((word) => /^--[a-z]/.test(word))) {
      assert.match(helps.get(command) ?? '', new RegExp(`(^|[ ,])${option}(?![\\w-])`, 'm'), `${option} in: ${line}`);
    }
  }
});

/** Fails when there is no such command: then the help is that of the program. */
async function helpOf(command: string): Promise<string> {
  const words = [join(root, 'cli', 'blockferry.ts'), ...command.split(' '), '--help'];
  const { stdout } = await promisify(execFile)(process.execPath, words);
  assert.ok(stdout.startsWith(`Usage: blockferry ${command} `), `${command}: ${stdout.slice(0, 100)}`);
  return stdout;
}
