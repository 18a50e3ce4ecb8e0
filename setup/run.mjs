// Runs a program of this project on a machine that has only Node 20 and npm: installs the locked packages when they
// are not there yet, and Debian packages that the program needs, then starts it on the Node of Lambda (24).
//
//   node setup/run.mjs [--needs <list in setup/debian-packages.json>] <node arguments>
//
// Plain JavaScript, because this file runs before anything is installed.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Debian keeps what only administrators need out of the ordinary PATH. */
const searchPath = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];

function say(text) {
  process.stderr.write(`${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}

function installPackages(folder) {
  const stamp = join(folder, 'node_modules', '.blockferry-lock');
  const lock = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  say('Installing the locked npm packages (once; about a minute) ...');
  // Not `npm ci`: it refuses a lock without the packages of other platforms, which not every registry carries.
  const npm = spawnSync(
    'npm',
    ['install', '--no-save', '--no-fund', '--no-audit', '--loglevel=error', '--ignore-scripts'],
    {
      cwd: folder,
      stdio: ['ignore', 2, 'inherit'],
    },
  );
  if (npm.status !== 0) fail('npm install failed; the lines above say why. Repair that and run the command again.');
  writeFileSync(stamp, lock);
}

function isOnPath(command) {
  return searchPath.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function installDebianPackages(needs) {
  const missing = () => needs.filter(({ command }) => !isOnPath(command));
  const packages = [...new Set(missing().map((need) => need.debianPackage))];
  if (packages.length === 0) return;
  const line = `apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  if (process.getuid?.() !== 0 || !isOnPath('apt-get')) {
    const commands = missing().map(({ command }) => command);
    fail(`${commands.join(', ')} is missing. On Debian or Ubuntu install it with:\n\n  sudo ${line}\n`);
  }
  say(`Installing Debian packages: ${packages.join(' ')} ...`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const quiet = { env, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 };
  spawnSync('apt-get', ['update', '-q'], quiet);
  const apt = spawnSync('apt-get', line.split(' ').slice(1), quiet);
  if (apt.status !== 0 || missing().length > 0) fail(`${line} failed:\n${apt.stdout}\n${apt.stderr}`);
}

/** The Node of the optional dependency, or this one where there is none (macOS) and it is new enough. */
function findNode() {
  const bundled = join(root, 'node_modules', '.bin', 'node');
  if (existsSync(bundled)) return bundled;
  const [major = '0'] = process.versions.node.split('.');
  if (Number(major) >= 24) return process.execPath;
  return fail(`There is no packaged Node for ${process.platform} ${process.arch}; install Node 24 and run this again.`);
}

/** The commands of a list, with the Debian package that brings each. */
function needsOf(list) {
  const lists = JSON.parse(readFileSync(join(root, 'setup', 'debian-packages.json'), 'utf8'));
  return Object.entries(lists[list]).map(([command, debianPackage]) => ({ command, debianPackage }));
}

/** What the benchmarks compare with has a lock of its own: the product has nothing to do with it. */
function packagesOf(list) {
  return list === 'bench' ? [root, join(root, 'bench', 'peers')] : [root];
}

function parseArguments(words) {
  const [first, list, ...rest] = words;
  if (first !== '--needs') return { needs: [], packages: packagesOf(), program: words };
  return { needs: needsOf(list), packages: packagesOf(list), program: rest };
}

const { needs, packages, program } = parseArguments(process.argv.slice(2));
for (const folder of packages) installPackages(folder);
installDebianPackages(needs);
const env = { ...process.env, PATH: [join(root, 'node_modules', '.bin'), ...searchPath].join(delimiter) };
const child = spawn(findNode(), program, { stdio: 'inherit', env });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => fail(`${program.join(' ')} could not be started: ${error.message}`));
child.on('exit', (code, signal) => {
  process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1);
});
