import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const VAULT = ['--vault', 's3://my-vault'];
const HOST = ['--local', '--host', 'https://192.0.2.10', '--fingerprint', '00'.repeat(32)];

function blockferry(args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['cli/blockferry.ts', ...args], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] },
  });
  return { status, said: stdout + stderr };
}

test('what cannot be understood ends with 2 and a sentence that names it and the cure, before anything is asked', () => {
  const wrong: readonly [readonly string[], RegExp][] = [
    [['frobnicate'], /unknown command 'frobnicate'.*--help lists/s],
    [['list'], /no vault was named; give --vault/],
    [['list', '--vault', 'my-vault'], /"my-vault" is not the address of a vault; write s3:/],
    [['list', ...VAULT, '--endpoint', 'my-server'], /'my-server' is invalid. Write the address .* https:/],
    [['verify', ...VAULT, '--disk', '7'], /'7' is invalid. It must be a uuid/],
    [['backup', 'web-1', ...HOST, ...VAULT], /'web-1' is invalid .*must be a uuid/],
    [['doctor', '--host', 'https://192.0.2.10', '--fingerprint', 'zz'], /'zz' is invalid. It must have 64 hex.*doctor/],
  ];
  for (const [args, sentence] of wrong) {
    const { status, said } = blockferry(args);
    assert.equal(status, 2, said);
    assert.match(said, sentence);
    assert.doesNotMatch(said, /^ {4}at /m);
  }
});

test('an address with credentials in it is refused without repeating them', () => {
  for (const where of [
    ['--vault', 's3://key:pa"ss/w@my-vault/site'],
    [...VAULT, '--endpoint', 'https://key:pa%22ss%2Fw@s3.example.com'],
  ]) {
    const { status, said } = blockferry(['list', ...where]);
    assert.equal(status, 2, said);
    assert.doesNotMatch(said, /pa(\\?"|%22)ss/);
    assert.match(said, /not the address of a vault|holds no credentials/);
  }
});

test('help that was asked for ends with 0', () => {
  assert.equal(blockferry(['--help']).status, 0);
  assert.equal(blockferry(['restore', '--help']).status, 0);
});
